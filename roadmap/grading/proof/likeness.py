"""Conditions that ask whether two values are alike: exactly, or within a tolerance."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from typing import NamedTuple

# assert_equal, assertListEqual, assert_allclose, …; not assertNotEqual, assertLessEqual
_EQUALITY = re.compile(r"assert(?!.*(?:not|less|greater)).*(?:equals?|close)")

_SCOPES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)


class Likeness(NamedTuple):
    """A condition on two values, as `==`, `isclose` or `abs(left - right) < 0.01`."""

    test: ast.expr
    left: ast.expr
    right: ast.expr

    def of(self, left: ast.expr, right: ast.expr) -> ast.expr:
        """The same condition on two other values."""
        # What deepcopy finds in its memo it takes instead of a copy.
        return copy.deepcopy(self.test, {id(self.left): left, id(self.right): right})


def likeness(test: ast.expr) -> Likeness | None:
    """The two values that ``test`` wants to be alike, or None if it asks something else."""
    match test:
        case ast.Compare(left, [ast.Eq()], [right]):
            return Likeness(test, _exact(left), _exact(right))
        case ast.Compare(side, [ast.Lt() | ast.LtE()], [_]):
            return _within(test, side)
        case ast.Compare(_, [ast.Gt() | ast.GtE()], [side]):
            return _within(test, side)
        case ast.UnaryOp(
            ast.Not(), ast.Compare(side, [ast.Gt() | ast.GtE()], [_])
        ) | ast.UnaryOp(ast.Not(), ast.Compare(_, [ast.Lt() | ast.LtE()], [side])):
            return _within(test, side)
        case ast.Call(args=[left, right, *_]) if called(
            test
        ) == "isclose" or asserts_equality(test):
            return Likeness(test, left, right)
    return None


def only_compares(call: ast.Call) -> bool:
    """Whether the called function does nothing with values but compare them."""
    return called(call) in ("approx", "isclose") or asserts_equality(call)


def asserts_equality(call: ast.Call) -> bool:
    """Whether it is `assertEqual`, `assert_allclose` and such."""
    return _EQUALITY.fullmatch(called(call)) is not None


def called(call: ast.Call) -> str:
    """The called function's name, alike for `assert_equal` and `case.assertEqual`."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lower().replace("_", "")
    return ""


def _exact(side: ast.expr) -> ast.expr:
    """The value in `pytest.approx(value)`."""
    match side:
        case ast.Call(args=[value, *_]) if called(side) == "approx":
            return value
    return side


def _within(test: ast.expr, side: ast.expr) -> Likeness | None:
    """The two values whose difference ``side`` bounds: `abs(left - right)`, or more of it."""
    for node in _outside_scopes(side):
        match node:
            case ast.Call(args=[ast.BinOp(left, ast.Sub(), right)]) if called(node) in (
                "abs",
                "fabs",
            ):
                return Likeness(test, left, right)
    return None


def _outside_scopes(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what is in it, but for comprehensions, which have names of their own."""
    yield node
    for part in ast.iter_child_nodes(node):
        if not isinstance(part, _SCOPES):
            yield from _outside_scopes(part)
