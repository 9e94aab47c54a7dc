"""What a check asserts: by `assert`, `assertEqual`, `raises`, `if …: raise`, or by points."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import TypeGuard

from IPython.core.inputtransformer2 import TransformerManager

from roadmap.grading.proof.expected import authors, loaded, parameters
from roadmap.grading.proof.likeness import called, likeness

_HIDDEN = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
# pytest.raises(ValueError), case.assertRaises(ValueError, f), case.assertRaisesRegex(…)
_RAISES = re.compile(r"(?:assert)?raises(?:regexp?)?")
_TRUTH = ("asserttrue", "assertfalse")
# What shows something, and so gives no points.
_SHOWING = ("print", "display")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# With `not` before a comparison, another says the same. Of `<` that is not so: see NaN. `==`
# stays, so that an answer that is not to equal something is still asked whether it does.
_DENIED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


def read_check(source: str) -> ast.Module | None:
    """A check cell's syntax tree; None if it is not Python.

    `if …: raise …` is `if not …: raise …` in it, so that what is tested is what has to be
    true, as after `assert`.
    """
    try:
        tree: ast.Module = ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError:
        return None
    for node, block in _refusals(tree):
        if block is node.body:
            node.test = ast.UnaryOp(ast.Not(), _denied(node.test))
            ast.copy_location(node.test.operand, node)
    if source.rstrip().endswith(";"):  # the last line's value is not shown
        tree.body.append(ast.copy_location(ast.Pass(), tree.body[-1]))
    return tree


def asserted(tree: ast.Module, source: str) -> set[int]:
    """What asserts, by `id`: the hidden ones if there are any.

    They are statements; what an `if` needs that raises an error otherwise; and, wherever
    they stand, comparisons of an answer with what is not one.
    """
    # IPython drops the empty lines before the first one.
    lines = source[len(source) - len(source.lstrip()) :].splitlines()
    found: list[ast.stmt | ast.expr] = [*_statements(tree), *_required(tree)]
    found += _comparisons(tree, {id(node) for node in _tests(found)})
    hidden = [node for node in found if _is_hidden(node, lines)]
    return set(map(id, hidden or found))


def wants_raised(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether it is a call that wants an exception of the type that it is given first."""
    return (
        isinstance(node, ast.Call)
        and bool(node.args)
        and _RAISES.fullmatch(called(node)) is not None
    )


def wants_truth(call: ast.Call) -> bool:
    """Whether it is `assertTrue` or `assertFalse`."""
    return bool(call.args) and called(call) in _TRUTH


def wanted_error(node: ast.Try) -> ast.ExceptHandler | None:
    """The `except` of a `try` that raises an error if none is caught."""
    if len(node.handlers) == 1 and _ends_in_raise(node.orelse):
        (handler,) = node.handlers
        return handler if handler.type is not None else None
    return None


def points_of(tree: ast.Module) -> ast.Expr | None:
    """The last line, if its value may be the points that a check gives."""
    match tree.body:
        case [*_, ast.Expr(ast.Constant())]:
            return None
        case [*_, ast.Expr(ast.Call() as call) as last]:
            return None if _gives_none(call) else last
        case [*_, ast.Expr() as last]:
            return last
    return None


def _gives_none(call: ast.Call) -> bool:
    name = called(call)
    if name in _SHOWING or name.startswith("assert") or wants_raised(call):
        return True
    return ast.unparse(call.func).startswith("get_ipython()")  # a magic


def _statements(tree: ast.Module) -> list[ast.stmt]:
    return [node for node in ast.walk(tree) if _is_statement(node)]


def _is_statement(node: ast.AST) -> TypeGuard[ast.stmt]:
    """Whether it is an assert, or has a call that can be turned like one."""
    match node:
        case ast.Assert():
            return True
        case ast.With():
            return any(wants_raised(item.context_expr) for item in node.items)
        case ast.Try():
            return wanted_error(node) is not None
        case ast.Expr(ast.Call() as call):
            return wants_raised(call) or wants_truth(call) or _compares_or_raises(call)
    return False


def _compares_or_raises(call: ast.Call) -> bool:
    return called(call).startswith("assert") and likeness(call) is not None


def _required(tree: ast.Module) -> Iterator[ast.expr]:
    """What has to be true, or an `if` of the check's own raises an error."""
    for node, block in _refusals(tree):
        if block is node.orelse:
            yield node.test
        elif isinstance(node.test, ast.UnaryOp):
            yield node.test.operand


def _refusals(tree: ast.Module) -> Iterator[tuple[ast.If, list[ast.stmt]]]:
    """Every `if` of the check's own, with the block of it that raises an error.

    In functions, which may be stand-ins for something, that has to be an AssertionError.
    """
    own = set(map(id, _outside_functions(tree.body)))
    for node in ast.walk(tree):
        if isinstance(node, ast.If):
            raises = _ends_in_raise if id(node) in own else _ends_in_assertion
            for block in (node.body, node.orelse):
                if raises(block):
                    yield node, block
                    break


def _tests(found: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """What is itself turned in ``found``."""
    for node in found:
        match node:
            case ast.Assert(test):
                yield from _tests([test])
            case ast.Expr(ast.Call(args=args) as call):
                yield call
                yield from args
            case ast.BoolOp(ast.And(), values):
                yield from _tests(values)
            case _:
                yield node


def _comparisons(tree: ast.Module, apart: set[int]) -> Iterator[ast.expr]:
    """Comparisons of an answer with something else, but for those ``apart``.

    An answer is what the check has not made itself, nor is handed as a parameter.
    """
    # A loop that never ends says nothing.
    for loop in ast.walk(tree):
        if isinstance(loop, ast.While):
            tests = [node.test for node in ast.walk(loop) if hasattr(node, "test")]
            apart = apart.union(id(part) for test in tests for part in ast.walk(test))
    known = authors(tree, untouched=False) | parameters(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and id(node) not in apart:
            sides = _compared(node)
            if sides and bool(loaded(sides[0]) - known) != bool(
                loaded(sides[1]) - known
            ):
                yield node


def _compared(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    match node:
        case ast.Compare(left, [ast.NotEq()], [right]):
            return left, right
    alike = likeness(node)
    return (alike.left, alike.right) if alike else None


def _outside_functions(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The check's own statements; what functions and classes do is not the check's word."""
    for node in body:
        yield node
        if isinstance(node, _DEFINITIONS):
            continue
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.stmt):
                yield from _outside_functions([part])
            elif isinstance(part, (ast.ExceptHandler, ast.match_case)):
                yield from _outside_functions(part.body)


def _ends_in_raise(body: list[ast.stmt]) -> bool:
    match body:
        case [*_, ast.Raise()]:
            return True
        case [*_, ast.Expr(ast.Call() as call)]:
            return called(call) == "fail"  # pytest's, unittest's
    return False


def _ends_in_assertion(body: list[ast.stmt]) -> bool:
    match body:
        case [
            *_,
            ast.Raise(
                ast.Call(ast.Name("AssertionError")) | ast.Name("AssertionError")
            ),
        ]:
            return True
    return False


def _denied(test: ast.expr) -> ast.expr:
    """The opposite of a condition."""
    match test:
        case ast.UnaryOp(ast.Not(), operand):
            return operand
        case ast.Compare(left, [op], sides) if type(op) in _DENIED:
            return ast.Compare(left, [_DENIED[type(op)]()], sides)
        case ast.BoolOp(ast.Or(), values):
            return ast.BoolOp(ast.And(), [_denied(value) for value in values])
    return ast.UnaryOp(ast.Not(), test)


def _is_hidden(node: ast.stmt | ast.expr, lines: list[str]) -> bool:
    """Whether the last mark above opens hidden tests.

    Magics keep their line when IPython rewrites them, so lines can be compared.
    """
    for line in reversed(lines[: node.lineno - 1]):
        if _HIDDEN[1] in line:
            return False
        if _HIDDEN[0] in line:
            return True
    return False
