"""Conditions that ask whether two values are alike: exactly, or within a tolerance."""

from __future__ import annotations

import ast
import copy
from typing import NamedTuple

# Functions that do nothing with values but compare them, by `called`.
COMPARING = ("approx", "isclose")


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
        case ast.Call(args=[left, right, *_]) if called(test) == "isclose":
            return Likeness(test, left, right)
    return None


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


def _within(test: ast.Compare, side: ast.expr) -> Likeness | None:
    """The two values whose difference ``side`` bounds: `abs(left - right)`, or more of it."""
    for node in ast.walk(side):
        match node:
            case ast.Call(args=[ast.BinOp(left, ast.Sub(), right)]) if called(node) in (
                "abs",
                "fabs",
            ):
                return Likeness(test, left, right)
    return None
