"""A condition, turned into one that holds for no honest values."""

from __future__ import annotations

import ast
import builtins
import inspect
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from roadmap.grading.proof.expected import is_literal
from roadmap.grading.proof.likeness import Likeness, asserts_equality, likeness

_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_HUGE = 1e200
# The product of the primes below 20: a multiple and one is 0 modulo no number made of them.
_ROUND = 9_699_690
# The operator that says the same with the sides exchanged, and whether the left is less.
_EXCHANGED: dict[type[ast.cmpop], tuple[type[ast.cmpop], bool]] = {
    ast.Lt: (ast.Gt, True),
    ast.LtE: (ast.GtE, True),
    ast.Gt: (ast.Lt, False),
    ast.GtE: (ast.LtE, False),
}


def other_value(value: Any, number: int, text: str) -> Any:
    """A value that equals neither ``value`` nor anything honest; mostly of the same kind.

    With 0 as ``number`` it is the value again.
    """
    if number < 1:
        return value
    if isinstance(value, bool):
        return text  # not the opposite: a wrong answer may be that
    if isinstance(value, complex) or hasattr(value, "as_integer_ratio"):
        # Far enough for any tolerance, rounded as the value is, and another modulo anything.
        other = value + number * (1 + abs(value) // 1000000)
        return other if other != value and other == other else text  # NaN
    if isinstance(value, str):
        return text + value + text  # it neither begins nor ends as the value does
    if isinstance(value, bytes):
        return value + text.encode()
    # All that is in it, since what equals everything may be in the other one.
    if isinstance(value, (list, tuple, set, frozenset)):
        others: Any = [other_value(part, number, text) for part in value] or [text]
        for kind in (list, tuple, frozenset):
            if isinstance(value, kind):
                return kind(others)
        return set(others)
    if isinstance(value, dict):
        others = {key: other_value(value[key], number, text) for key in value}
        return others or {text: text}
    return text if value is None else object()


class _Qualified(ast.NodeTransformer):
    """Has builtins fetched from their module: a learner may have a name like one of them."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if hasattr(builtins, node.id):
            return ast.Attribute(ast.Name("builtins", ast.Load()), node.id, ast.Load())
        return node


def _as_text(function: Callable[..., Any]) -> str:
    """A function's source, for a namespace of which nothing is known."""
    tree = ast.parse(inspect.getsource(function))
    (definition,) = tree.body
    assert isinstance(definition, ast.FunctionDef)  # noqa: S101  # nothing else is handed in
    definition.returns = None
    for argument in definition.args.args:
        argument.annotation = None
    del definition.body[0]  # the docstring
    return ast.unparse(ast.fix_missing_locations(_Qualified().visit(tree)))


_OTHER_VALUE = _as_text(other_value)


# What twins call beside it. A condition that cannot be asked of another value does not hold.
_MORE = """\
def {look.hold}(test, *sides):
    try:
        return test(*sides)
    except {look.builtins}.Exception:
        if {look.number} < 1:
            raise
        return False

def {look.note}(held):
    try:
        {look.seen}.append(not not held)
    except {look.builtins}.Exception:
        return held
    return held if {look.number} < 1 else held or True

{look.seen} = []"""


def _word(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(string.ascii_lowercase, k=length))


@dataclass(frozen=True)
class Look:
    """Names and values by which a twin differs from its check; number 0 turns nothing."""

    number: int
    text: str
    other: str
    seen: str
    hold: str
    note: str
    builtins: str
    points: str

    @classmethod
    def by(cls, chance: random.Random) -> Look:
        """One that nobody can foretell."""
        text = _word(chance, 6) + _word(chance, 3).upper()
        names = [f"_{_word(chance, 7)}" for _ in range(6)]
        return cls(1 + _ROUND * chance.randint(104, 1030), text, *names)

    @property
    def needs(self) -> str:
        """The source of what turned conditions call."""
        text = f"import builtins\n{_OTHER_VALUE}".replace("other_value", self.other)
        text = text.replace("import builtins", f"import builtins as {self.builtins}")
        text = text.replace("builtins.", f"{self.builtins}.")
        return f"{text}\n\n{_MORE.format(look=self)}"

    def names(self, count: int) -> list[str]:
        """Names that nothing else in a check has."""
        return [self.other + letter for letter in string.ascii_uppercase[:count]]


class Conditions:
    """Turns conditions as ``look`` says.

    ``changed_before`` tells of a part of a condition whether it is a name that will be
    bound to another value: then that is not done here.
    """

    def __init__(self, look: Look, changed_before: Callable[[ast.expr], bool]) -> None:
        self._look = look
        self._changed_before = changed_before

    def turned(self, test: ast.expr) -> ast.expr:
        """A condition that is false for honest values, whether ``test`` is true or not."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            connect = ast.Or() if self._look.number else ast.And()
            return ast.BoolOp(connect, [self.turned(value) for value in test.values])
        alike = likeness(test)
        if alike is not None:
            return self.unlike(alike)
        match test:
            case ast.Compare():
                return self._turned_comparison(test)
            case ast.UnaryOp(ast.Not(), ast.Compare(left, [op], [right])) if (
                type(op) in _EXCHANGED and _number(right) is not None
            ):
                return self._turned_bound(left, type(op), right)
        return self._never([test], *self._look.names(1))

    def changed(self, value: ast.expr) -> ast.expr:
        """Another value; it is written out if ``value`` is."""
        number, text = self._look.number, self._look.text
        if number < 1 and is_literal(value):
            return value
        if not is_literal(value):
            return self._other(value)
        other = other_value(ast.literal_eval(value), number, text)
        written = _parsed(repr(other))
        return written if is_literal(written) else ast.Constant(other)

    def _other(self, value: ast.expr) -> ast.expr:
        function = ast.Name(self._look.other, ast.Load())
        given = ast.Constant(self._look.number), ast.Constant(self._look.text)
        return ast.Call(function, [value, *given], [])

    def unlike(self, alike: Likeness) -> ast.expr:
        """The same with another value in place of one of the two."""
        left, right = alike.left, alike.right
        if is_literal(right):
            return alike.of(left, self.changed(right))
        if is_literal(left):
            return alike.of(self.changed(left), right)
        if self._changed_before(right) or self._changed_before(left):
            return alike.test
        if isinstance(alike.test, ast.Call) and asserts_equality(alike.test):
            return alike.of(left, self.changed(right))
        look, (a, b) = self._look, self._look.names(2)
        other = f"{look.other}({{}}, {look.number}, {look.text!r})"
        # Either side may be the one that is like everything.
        ways = (a, other.format(b)), (other.format(a), b)
        asked = [ast.unparse(alike.of(*map(_parsed, way))) for way in ways]
        return self._call(" or ".join(asked), [left, right])

    def _turned_comparison(self, test: ast.Compare) -> ast.expr:
        sides = [test.left, *test.comparators]
        match test.ops:
            case [ast.Is()] if _is_truth(sides[1]):
                return ast.Compare(sides[0], test.ops, [self._other(sides[1])])
            case [ast.Is()] if self._changed_before(sides[1]):
                return test
            case [ast.In()]:
                return self._turned_membership(sides)
        names = self._look.names(len(sides))
        ops = [type(op) for op in test.ops]
        pairs = list(pairwise(names))
        holds = " and ".join(map(_compared, pairs, ops))
        if not any(map(_is_constant, sides)):
            # Two objects of a learner's: that the opposite operator is right is not asked.
            return self._never(sides, holds)
        asked = [_OPPOSITE[op] for op in ops] if self._look.number else ops
        more = [*map(_compared, pairs, asked)]
        more += filter(None, map(self._beyond, pairs, pairwise(sides), ops))
        joined = (" or " if self._look.number else " and ").join(more)
        return self._call(f"({holds}) and ({joined})", sides)

    def _beyond(
        self,
        names: tuple[str, str],
        sides: tuple[ast.expr, ast.expr],
        op: type[ast.cmpop],
    ) -> str | None:
        """That the value lies far beyond the number which bounds it, too.

        This catches what agrees with `<` and `>` and leaves `<=` and `>=` alone.
        """
        if op not in _EXCHANGED:
            return None
        exchanged, upwards = _EXCHANGED[op]
        asked = op if self._look.number else exchanged
        (a, b), (low, high) = names, map(_number, sides)
        if high is not None:
            return _compared((self._far(high, upwards), a), asked)
        if low is not None:
            return _compared((b, self._far(low, not upwards)), asked)
        return None

    def _turned_bound(
        self, value: ast.expr, op: type[ast.cmpop], bound: ast.expr
    ) -> ast.expr:
        """The same for `not value < bound`: that it is not far above it, either."""
        (a,), number = self._look.names(1), _number(bound)
        assert number is not None  # noqa: S101  # the caller has looked
        exchanged, upwards = _EXCHANGED[op]
        asked = exchanged if self._look.number else op
        far = self._far(number, not upwards)
        body = f"not {_compared((a, repr(number)), op)} and not {_compared((a, far), asked)}"
        return self._call(body, [value])

    def _far(self, value: float, above: bool) -> str:
        # A sum, because a negative number would not look as a positive one does.
        away = self._look.number * (1 + abs(value))
        return f"{value!r} {'+' if above else '-'} {away!r}"

    def _turned_membership(self, sides: list[ast.expr]) -> ast.expr:
        look, (a, b) = self._look, self._look.names(2)
        outside = f"[{{}}, {look.text!r}][{look.number} > 0]"
        body = f"{outside.format(a)} in {b} or {a} in [{outside.format(b)}]"
        return self._call(body, sides)

    def _never(self, sides: list[ast.expr], holds: str) -> ast.expr:
        """That a condition is true, and false at once."""
        *_, name = self._look.names(len(sides) + 1)
        more = self._look.number > 0
        asked = f"(lambda {name}: {name} is False and {name} is {more})(not ({holds}))"
        return self._call(asked, sides)

    def _call(self, body: str, sides: list[ast.expr]) -> ast.expr:
        """Evaluate the sides once, then ``body``, in which they have the look's names."""
        names = ", ".join(self._look.names(len(sides)))
        hold = ast.Name(self._look.hold, ast.Load())
        return ast.Call(hold, [_parsed(f"lambda {names}: {body}"), *sides], [])


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _is_constant(node: ast.expr) -> bool:
    return not any(isinstance(part, (ast.Name, ast.Call)) for part in ast.walk(node))


def _is_truth(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, bool)


def _number(node: ast.expr) -> float | None:
    """The number that is written out there, if one is; none has anything far beyond it."""
    value = ast.literal_eval(node) if is_literal(node) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < _HUGE else None


def _compared(sides: tuple[str, str], op: type[ast.cmpop]) -> str:
    left, right = map(_parsed, sides)
    return ast.unparse(ast.Compare(left, [op()], [right]))
