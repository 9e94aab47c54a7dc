"""Code that cannot forge a pass: told by reading it, so that it need not be run twice.

To pass a check without a right answer, code has to make an object with a comparison of
its own, get hold of the interpreter (frames, the shell, modules, builtins), or keep an
exception from rising. All of these need a class statement, a name, an attribute or an
import that most answers do not have. What is read here is not a list of such tricks: it
is a list of what is allowed, and whatever has anything else is run a second time, with
negative twins (see :mod:`roadmap.grading.twin`).

Only the learner's own code is read: a cell that stands in the release is the author's.
"""

from __future__ import annotations

import ast
import bisect
import builtins
import collections
import copy
import datetime
import decimal
import fractions
import functools
import heapq
import itertools
import json
import math
import random
import re
import statistics
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from roadmap.grading.master import MasterNotebook, is_answer

_STATEMENTS = (
    *(ast.Module, ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete),
    *(ast.If, ast.For, ast.While, ast.Break, ast.Continue, ast.Pass, ast.Assert),
    *(ast.FunctionDef, ast.Return, ast.Raise, ast.Try, ast.ExceptHandler),
    *(ast.Import, ast.ImportFrom, ast.alias, ast.Global, ast.Nonlocal),
    *(ast.Match, ast.match_case, ast.pattern, ast.arguments, ast.arg, ast.keyword),
)
_EXPRESSIONS = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Starred),
    *(ast.Call, ast.Lambda, ast.IfExp, ast.NamedExpr, ast.Yield, ast.YieldFrom),
    *(ast.List, ast.Tuple, ast.Dict, ast.Set, ast.JoinedStr, ast.FormattedValue),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension),
    *(ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context),
)
_ALLOWED = (*_STATEMENTS, *_EXPRESSIONS)

# An except clause for one of these could keep a check's AssertionError from rising, if
# the check asserts in a function that it hands over.
_CATCHES_ALL = {"BaseException", "Exception", "AssertionError", "ExceptionGroup"}
_ORDINARY = """
abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate
filter float format frozenset hash hex id int isinstance issubclass iter len list map max
min next oct ord pow print range repr reversed round set slice sorted str sum tuple zip
NotImplemented Ellipsis
"""
_BUILTINS = {
    *_ORDINARY.split(),
    *(
        name
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, Exception)
    ),
}


def _public(module: ModuleType) -> set[str]:
    """What a module offers; not the modules that it imports itself."""
    names = getattr(module, "__all__", None) or vars(module)
    return {
        name
        for name in names
        if not name.startswith("_")
        and not isinstance(getattr(module, name), ModuleType)
    }


_MODULES = {
    module.__name__: _public(module)
    for module in (
        *(bisect, copy, datetime, fractions, heapq, itertools, json, math),
        *(random, re, statistics, textwrap),
    )
} | {
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque", "namedtuple"},
    "decimal": {"Decimal", "DivisionByZero", "InvalidOperation"}
    | {name for name in dir(decimal) if name.startswith("ROUND_")},
    "functools": {"cache", "lru_cache", "partial", "reduce"},
}
_VALUES = (
    *(bool, bytearray, bytes, complex, dict, float, frozenset, int, list, set, str),
    *(tuple, collections.Counter, collections.OrderedDict, collections.defaultdict),
    *(collections.deque, datetime.date, datetime.datetime, datetime.time),
    *(datetime.timedelta, decimal.Decimal, fractions.Fraction, functools.partial),
    *(re.Match, re.Pattern, ValueError),
)
_ATTRIBUTES = (
    {name for kind in _VALUES for name in dir(kind) if not name.startswith("_")}.union(
        *_MODULES.values()
    )
    # str.format reads attributes that its text names; with_traceback comes from errors.
    .difference({"format", "format_map", "with_traceback", "add_note"})
    .union({"__name__"})
)
_IMPORTABLE = {".py", ".pyc", ".pyd", ".so"}


def usable_names(sources: Iterable[str]) -> set[str]:
    """Names that the author's code binds and the learner's may use.

    What it imports is not for the learner's code, unless that could import it itself.
    """
    modules = _Modules()
    bound: set[str] = set()
    for source in sources:
        tree = _parsed(source)
        modules.visit(tree)
        bound.update(_bound(tree))
    return bound - modules.others


def _parsed(source: str) -> ast.Module:
    """The author's code, which may have magics; nothing if it is no Python at all."""
    for text in (source, TransformerManager().transform_cell(source)):
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            return ast.parse(text)
    return ast.Module([], [])


def cannot_forge(nb: NotebookNode, master: MasterNotebook, folder: Path) -> bool:
    """Whether nothing the learner wrote could pass a check unduly.

    ``nb`` is the rebuilt notebook, ``folder`` where it runs: a module in it could take
    the place of one that is imported.
    """
    if any(path.suffix in _IMPORTABLE for path in folder.rglob("*")):
        return False
    own: list[ast.Module] = []
    try:
        for source in _own_code(nb, Counter(master.released)):
            own.append(ast.parse(source))
            if _may_be_magic(own[-1], source):
                return False
        return _all_allowed(own, master.names)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _own_code(nb: NotebookNode, released: Counter[str]) -> Iterator[str]:
    """The sources of the code cells that are the learner's."""
    for cell in nb.cells:
        locked = "nbgrader" in cell.metadata and not is_answer(cell)
        if cell.cell_type != "code" or locked:
            continue
        if released[cell.source] > 0:
            released[cell.source] -= 1  # a second one is the learner's doing
        else:
            yield cell.source


def _may_be_magic(tree: ast.Module, source: str) -> bool:
    """Whether IPython could take a one-line cell for a magic, as it does `reset -f`."""
    if len(source.strip().splitlines()) > 1 or not tree.body:
        return False
    match tree.body[0]:
        case ast.Expr(ast.Call(func=ast.Name(id=name))):
            return name not in _BUILTINS
        case ast.Expr():
            return True
    return False


def _all_allowed(own: Iterable[ast.Module], names: Iterable[str]) -> bool:
    known = {name for tree in own for name in _bound(tree)}.union(names, _BUILTINS)
    return all(
        all(_allowed(node, known) for node in _but_types(tree))
        and all(map(_may_be_bound, _bound(tree)))
        for tree in own
    )


def _but_types(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but the name in `type(x)`; with more arguments, `type` makes classes."""
    asked = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Name(id="type") as name, [argument], []):
                if not isinstance(argument, ast.Starred):
                    asked.add(name)
        if node not in asked:
            yield node


class _Modules(ast.NodeVisitor):
    """Names that code binds by imports that are not in the list."""

    def __init__(self) -> None:
        self.others: set[str] = set()

    def visit_Import(self, node: ast.Import) -> None:
        self.others.update(
            _bound_by(alias) for alias in node.names if alias.name not in _MODULES
        )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not _is_allowed_import(node):
            self.others.update(_bound_by(alias) for alias in node.names)


def _bound_by(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def _bound(tree: ast.AST) -> Iterator[str]:
    """Every name that code gives a value, wherever."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name):
                yield name
            case ast.alias():
                yield _bound_by(node)
            case ast.ExceptHandler(name=str(name)):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                yield from names


def _may_be_bound(name: str) -> bool:
    # IPython's own: _, __, _i, _ii, _iii, _1, _ih, _oh, _dh; `_` is nobody's answer.
    ours = not re.fullmatch(r"__.*|_i+|_\d+|_[ido]h|_i\d+", name)
    return ours and name not in {*vars(builtins), *_SHELL}


_SHELL = {"In", "Out", "get_ipython", "exit", "quit", "open", "display"}


def _allowed(node: ast.AST, known: set[str]) -> bool:
    if not isinstance(node, _ALLOWED):
        return False
    match node:
        case ast.FunctionDef(decorator_list=[_, *_]):
            return False
        case ast.Name(id=name, ctx=ast.Load()):
            return name in known and name not in _SHELL
        case ast.Attribute(attr=name, ctx=context):
            return isinstance(context, ast.Load) and name in _ATTRIBUTES
        case ast.MatchClass(kwd_attrs=names):
            return _ATTRIBUTES.issuperset(names)
        case ast.Import(names=names):
            return all(alias.name in _MODULES for alias in names)
        case ast.ImportFrom():
            return _is_allowed_import(node)
        case ast.ExceptHandler(type=kind):
            return kind is not None and not _catches_all(kind)
    return True


def _is_allowed_import(node: ast.ImportFrom) -> bool:
    names = {alias.name for alias in node.names}
    return node.level == 0 and _MODULES.get(node.module or "", set()).issuperset(names)


def _catches_all(kind: ast.expr) -> bool:
    """Whether an except clause may be for more than errors of a builtin kind."""
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return not all(
        isinstance(one, ast.Name) and one.id in _BUILTINS - _CATCHES_ALL
        for one in kinds
    )
