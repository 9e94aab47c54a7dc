"""Code that cannot forge a pass: told by reading it, so that it need not be run twice.

To pass a check without a right answer, code has to make an object with methods of its
own, get hold of the interpreter (frames, the shell, modules, builtins), look up what the
check compares with, or keep an exception from rising. All of these need a class
statement, a name, an attribute or an import that most answers do not have. What is read
here is not a list of such tricks: it is a list of what is allowed, and whatever has
anything else is run again, with twins (see ``twin``).

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
import symtable
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from roadmap.grading.master import MasterNotebook, Vocabulary, grade_id, is_answer

_STATEMENTS = (
    *(ast.Module, ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete),
    *(ast.If, ast.For, ast.While, ast.Break, ast.Continue, ast.Pass, ast.Assert),
    *(ast.FunctionDef, ast.ClassDef, ast.Return, ast.Raise, ast.Try, ast.ExceptHandler),
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
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "decimal": {"Decimal", "DivisionByZero", "InvalidOperation"}
    | {name for name in dir(decimal) if name.startswith("ROUND_")},
    "functools": {"cache", "lru_cache", "partial", "reduce"},
    "logging": {"getLogger", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"},
    "sys": {"builtin_module_names", "float_info", "maxsize", "stdlib_module_names"},
}
_LOGGING = {"debug", "info", "warning", "error", "critical", "exception"}
_VALUES = (
    *(bool, bytearray, bytes, complex, dict, float, frozenset, int, list, set, str),
    *(tuple, collections.Counter, collections.OrderedDict, collections.defaultdict),
    *(collections.deque, datetime.date, datetime.datetime, datetime.time),
    *(datetime.timedelta, decimal.Decimal, fractions.Fraction, functools.partial),
    *(re.Match, re.Pattern, ValueError, itertools.chain, random.Random),
)
_ATTRIBUTES = (
    {name for kind in _VALUES for name in dir(kind) if not name.startswith("_")}
    # str.format reads attributes that its text names; with_traceback comes from errors.
    .difference({"format", "format_map", "with_traceback", "add_note"}).union(
        {"__name__"}, _LOGGING
    )
)
# What a value's methods are called, but for those that are good names of fields.
_METHODS = _ATTRIBUTES - {
    "title",
    "count",
    "index",
    "date",
    "time",
    "year",
    "month",
    "day",
}
_NAMED_TUPLE = {"namedtuple", "collections.namedtuple"}
_IMPORTABLE = {".py", ".pyc", ".pyd", ".so"}
_PROGRAM = re.compile(r"%%writefile \S+\.py")


def vocabulary(
    given: Iterable[str], stubs: Iterable[str], checks: Iterable[str]
) -> Vocabulary:
    """What the author's code, beside the ``checks``, has for the learner's to use.

    What is not in the list, by itself or by what it uses, is not among it: a function
    that starts programs would start the learner's. ``stubs``, among ``given``, are
    answers as released: what they bind, a check may bind for a while.
    """
    trees = [ast.parse(_python(source)) for source in given]
    modules: dict[str, str] = {}
    for tree in trees:
        modules.update(_modules(tree))
    fields = {
        name for tree in trees for call in _named_tuples(tree) for name in _fields(call)
    }
    names, barred = _usable(trees, Vocabulary(modules=modules, fields=tuple(fields)))
    asked = [_globals(_python(source)) for source in checks]
    of_checks = {name for _, bound in asked for name in bound}
    answers = {name for source in stubs for name in _globals(_python(source))[1]}
    guarded = {name for read, _ in asked for name in read} & (
        names | barred | of_checks
    )
    return Vocabulary(
        tuple(sorted(names)),
        {name: module for name, module in modules.items() if name in names},
        tuple(sorted(fields)),
        tuple(sorted((of_checks | barred) - answers)),
        tuple(sorted(guarded - answers)),
    )


def _usable(
    trees: Sequence[ast.Module], words: Vocabulary
) -> tuple[set[str], set[str]]:
    """Global names whose every binding is in the list, as is what that uses; and the others."""
    reader = _Reader(trees, words)
    names: set[str] = set()
    barred: set[str] = set()
    harmless = []
    for node in [node for tree in trees for node in tree.body]:
        read, bound = _globals(ast.unparse(node))
        names |= bound
        if reader.allows(node):
            harmless.append((read, bound))
        else:
            barred |= bound
    while more := {
        name for read, bound in harmless if read & barred for name in bound - barred
    }:
        barred |= more
    return names - barred, barred


def _python(source: str) -> str:
    """The author's code, which may have magics; nothing if it is no Python at all."""
    for text in (source, TransformerManager().transform_cell(source)):
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            ast.parse(text)
            return text
    return ""


def _globals(text: str) -> tuple[set[str], set[str]]:
    """The global names that code reads, and those that it binds."""
    read, bound = set(), set()
    tables = [symtable.symtable(text, "cell", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if table.get_type() == "module" or symbol.is_global():
                if symbol.is_referenced():
                    read.add(symbol.get_name())
                if symbol.is_assigned() or symbol.is_imported():
                    bound.add(symbol.get_name())
    return read, bound


def _named_tuples(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _NAMED_TUPLE:
            yield node


def _fields(call: ast.Call) -> list[str]:
    """The words that a named tuple is made of: its own name, and its fields'."""
    constants = [node for node in ast.walk(call) if isinstance(node, ast.Constant)]
    texts = [node.value for node in constants if isinstance(node.value, str)]
    words = [word for text in texts for word in text.replace(",", " ").split()]
    return [word for word in words if not word.startswith("_")]


def cannot_forge(nb: NotebookNode, master: MasterNotebook, folder: Path) -> bool:
    """Whether nothing the learner wrote could pass a check unduly.

    ``nb`` is the rebuilt notebook, ``folder`` where it runs: a module in it could take
    the place of one that is imported.
    """
    if any(path.suffix in _IMPORTABLE for path in folder.rglob("*")):
        return False
    own: list[ast.Module] = []
    words = master.vocabulary
    try:
        for source, program in _own_code(nb, master):
            own.append(ast.parse(source))
            if program:
                continue  # its names are its own
            if _may_be_magic(own[-1], source):
                return False
            read, bound = _globals(source)
            if not read.isdisjoint(words.withheld) or not bound.isdisjoint(
                words.guarded
            ):
                return False
        return _all_allowed(own, words)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _own_code(nb: NotebookNode, master: MasterNotebook) -> Iterator[tuple[str, bool]]:
    """The learner's code, and whether a cell writes it to a file, as a program."""
    released = Counter(master.released)
    stubs = {grade_id(cell): cell["source"] for cell in master.cells if grade_id(cell)}
    for cell in nb.cells:
        locked = "nbgrader" in cell.metadata and not is_answer(cell)
        if cell.cell_type != "code" or locked:
            continue
        if released[cell.source] > 0:
            released[cell.source] -= 1  # a second one is the learner's doing
        else:
            line, _, program = cell.source.partition("\n")
            stub = stubs.get(grade_id(cell), "").partition("\n")[0]
            chosen = line == stub and _PROGRAM.fullmatch(line)  # by the author
            yield (program, True) if chosen else (cell.source, False)


def _may_be_magic(tree: ast.Module, source: str) -> bool:
    """Whether IPython could take a one-line cell for a magic, as it does `reset -f`."""
    if len(source.strip().splitlines()) > 1 or not tree.body:
        return False
    match tree.body[0]:
        case ast.Expr(ast.Call(func=ast.Name(id=name))):
            return name not in _BUILTINS
        case ast.Assign(targets=[ast.Name() | ast.Tuple(), *_]):
            return False
        case ast.Expr() | ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            return True
    return False


def _all_allowed(own: Sequence[ast.Module], words: Vocabulary) -> bool:
    read = _Reader(own, words)
    return all(
        read.allows(tree) and all(map(_may_be_bound, _bound(tree))) for tree in own
    )


def _modules(tree: ast.AST) -> dict[str, str]:
    """Names that code binds to modules in the list, and which those are."""
    return {
        _bound_by(alias): alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name in _MODULES
    }


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


class _Reader:
    """Reads a learner's code, ``own``, beside what the author's offers."""

    def __init__(self, own: Sequence[ast.Module], words: Vocabulary) -> None:
        bound = {name for tree in own for name in _bound(tree)}
        self._known = (
            bound.union(words.names, _BUILTINS, ["__name__"]) - _SHELL - _NAMED_TUPLE
        )
        self._attributes = _ATTRIBUTES.union(words.fields)
        self._modules = dict(words.modules)
        for tree in own:
            self._modules.update(_modules(tree))
        self._errors = _errors(own)

    def allows(self, tree: ast.AST) -> bool:
        """Whether everything in it is in the list."""
        return all(map(self._allowed, self._but_names_of_their_own(tree)))

    def _but_names_of_their_own(self, tree: ast.AST) -> Iterator[ast.AST]:
        """All nodes, but what is allowed in one place only.

        That are the name in `type(x) is int`, since what `type` gives makes classes, as
        `namedtuple` does, and the module in `math.pi`, whose other attributes lead
        anywhere.
        """
        allowed: set[ast.AST | None] = set()
        for node in ast.walk(tree):
            match node:
                case ast.Compare(left=left, comparators=others):
                    allowed.update(map(_asked_type, [left, *others]))
                case ast.Call(ast.Name(id="print"), shown):
                    allowed.update(map(_asked_type, shown))
                case ast.Attribute(value, "__name__"):
                    allowed.add(_asked_type(value))
                case ast.Call() if _is_plain_named_tuple(node):
                    allowed.update(ast.walk(node.func))
                case ast.Attribute(ast.Name(id=module) as name, attribute, ast.Load()):
                    if attribute in _MODULES.get(self._modules.get(module, ""), ()):
                        allowed.update([node, name])
            if node not in allowed:
                yield node

    def _allowed(self, node: ast.AST) -> bool:
        if not isinstance(node, _ALLOWED):
            return False
        match node:
            case ast.ClassDef(name=name):
                return name in self._errors
            case ast.FunctionDef(decorator_list=[_, *_]):
                return False
            case ast.Try(finalbody=last):
                return not any(map(_leaves, last))  # which would end an error
            case ast.Name(id=name, ctx=ast.Load()):
                return name in self._known and name not in self._modules
            case ast.Attribute(attr=name, ctx=context):
                return isinstance(context, ast.Load) and name in self._attributes
            case ast.MatchClass(kwd_attrs=names):
                return self._attributes.issuperset(names)
            case ast.Import(names=names):
                return all(alias.name in _MODULES for alias in names)
            case ast.ImportFrom():
                return _is_allowed_import(node)
            case ast.ExceptHandler(type=kind):
                return kind is not None and not self._catches_all(kind)
        return True

    def _catches_all(self, kind: ast.expr) -> bool:
        """Whether an except clause may be for more than errors of a known kind."""
        kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
        known = (_BUILTINS - _CATCHES_ALL) | self._errors
        return not all(isinstance(one, ast.Name) and one.id in known for one in kinds)


def _errors(own: Iterable[ast.Module]) -> set[str]:
    """Classes of errors with nothing in them: of errors that are known, and of those."""
    bound = Counter(name for tree in own for name in _bound(tree))
    known = {name for name in _BUILTINS if name[0].isupper()}
    errors: set[str] = set()
    for node in [node for tree in own for node in tree.body]:
        match node:
            case ast.ClassDef(name, bases, keywords=[], body=[only], decorator_list=[]):
                plain = isinstance(only, ast.Pass) or _is_text(only)
                kinds = set(map(ast.unparse, bases))
                if kinds and kinds <= known | errors and plain and bound[name] == 1:
                    errors.add(name)
    return errors


def _leaves(node: ast.stmt) -> bool:
    leaving = (ast.Return, ast.Break, ast.Continue)
    return any(isinstance(part, leaving) for part in ast.walk(node))


def _asked_type(node: ast.expr) -> ast.Name | None:
    """The name `type` in `type(x)`."""
    match node:
        case ast.Call(ast.Name(id="type") as name, [argument], []):
            return None if isinstance(argument, ast.Starred) else name
    return None


def _is_text(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(ast.Constant(value=str())):
            return True
    return False


def _is_plain_named_tuple(call: ast.Call) -> bool:
    """Whether its fields are written out, and none of them can pass for a method."""
    if call.keywords or ast.unparse(call.func) not in _NAMED_TUPLE:
        return False
    parts = [part for argument in call.args for part in ast.walk(argument)]
    written = (ast.Constant, ast.List, ast.Tuple, ast.Load)
    return all(isinstance(part, written) for part in parts) and _METHODS.isdisjoint(
        _fields(call)
    )


def _is_allowed_import(node: ast.ImportFrom) -> bool:
    names = {alias.name for alias in node.names}
    if node.module == "collections":
        names -= {
            alias.name for alias in node.names if alias.asname is None
        } & _NAMED_TUPLE
    return node.level == 0 and names <= _MODULES.get(node.module or "", set())
