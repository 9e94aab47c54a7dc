"""Twins of check cells: one that honest work must pass, and one that it must fail.

"No error" is no proof that a check has judged anything: a submission can answer
with an object that equals everything, drop asserts, silence errors, forge the
kernel's messages or read the expected value off the caller's frame. So the
notebook is run twice more, in new kernels, with each check cell replaced by one of
two twins. In the negative one every condition is turned into one that holds for no
honest answer: whoever passes it passes whatever is compared. The positive one looks
the same and asks what the check asks: whoever fails it has told the twins from the
check, by their looks, and may have failed the negative one on purpose.

Twins are made outside, by rewriting the source: nothing in the kernel has to be
trusted, and the submission is not told which of them it meets. Only the hidden tests
are turned, where there are some, because their text is not known to learners.
"""

from __future__ import annotations

import ast
import inspect
import random
import re
import string
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeGuard

from IPython.core.inputtransformer2 import TransformerManager

_HIDDEN = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
# assert_equal, assertListEqual, assert_allclose, …; not assertNotEqual, assertLessEqual
_EQUALITY = re.compile(r"assert(?!.*(?:not|less|greater)).*(?:equals?|close)")
# pytest.raises(ValueError), case.assertRaises(ValueError, f), case.assertRaisesRegex(…)
_RAISES = re.compile(r"(?:assert)?raises(?:regexp?)?")
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.NotEq: ast.Eq,
    ast.NotIn: ast.In,
}


def other_value(value: Any, number: int, text: str) -> Any:
    """A value of the same kind that equals neither ``value`` nor anything honest.

    With 0 as ``number`` it is the value again.
    """
    more = [text][:number]
    if isinstance(value, bool):
        return value is not bool(more)
    if isinstance(value, (int, float, complex)):
        return value + number
    if isinstance(value, str):
        return value + "".join(more)
    if isinstance(value, bytes):
        return value + "".join(more).encode()
    if isinstance(value, list):
        return [*value, *more]
    if isinstance(value, tuple):
        return (*value, *more)
    if isinstance(value, dict):
        return {**value, **dict.fromkeys(more, text)}
    if isinstance(value, (set, frozenset)):
        return {*value, *more}
    return text if more else value


class Twins(NamedTuple):
    """What a check's twins are; honest work passes one and fails the other."""

    positive: str
    negative: str


def twins(source: str, chance: random.Random) -> Twins | None:
    """The twins of a check cell, or None when it has no condition that can be turned.

    An honest answer ends the negative one with an exception, be it because it has met
    none of the turned conditions. Nothing tells that but the exception: a value shown
    could be altered on its way. ``chance`` picks names and values.
    """
    try:
        text = TransformerManager().transform_cell(source)
        tree = ast.parse(text)
    except SyntaxError:
        return None
    look = _Look.by(chance)
    chosen = _chosen(tree, source)
    if not chosen:
        return None
    other = ast.parse(text)
    return Twins(
        _Turner(_chosen(other, source), other, replace(look, number=0)).turned(),
        _Turner(chosen, tree, look).turned(),
    )


def _chosen(tree: ast.Module, source: str) -> set[int]:
    """Which conditions are turned, by `id`: the hidden ones if there are any."""
    lines = source.splitlines()
    asserts = [node for node in ast.walk(tree) if _is_condition(node)]
    hidden = [node for node in asserts if _is_hidden(node, lines)]
    return set(map(id, hidden or asserts))


def _is_condition(node: ast.AST) -> TypeGuard[ast.stmt]:
    """Whether the node is an assert, or has a call that can be turned like one."""
    if isinstance(node, ast.With):
        return any(_is_raises(item.context_expr) for item in node.items)
    return isinstance(node, ast.Assert) or (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and (_is_raises(node.value) or _turned_argument(node.value) is not None)
    )


def _kind(call: ast.Call) -> str:
    """The called function's name, alike for `assert_equal` and `case.assertEqual`."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lower().replace("_", "")
        case _:
            return ""


def _is_raises(node: ast.expr) -> TypeGuard[ast.Call]:
    """Whether it is a call that wants an exception of the type that it is given first."""
    return (
        isinstance(node, ast.Call)
        and bool(node.args)
        and _RAISES.fullmatch(_kind(node)) is not None
    )


def _turned_argument(call: ast.Call) -> int | None:
    """Which argument of `assertEqual`, `assert_allclose`, `assertTrue` and such to turn."""
    kind = _kind(call)
    if kind in ("asserttrue", "assertfalse") and call.args:
        return 0
    if not _EQUALITY.fullmatch(kind) or len(call.args) < 2:
        return None
    return next((n for n in (1, 0) if _is_literal(call.args[n])), None)


def _is_hidden(node: ast.stmt, lines: list[str]) -> bool:
    """Whether the last mark above the assert opens hidden tests.

    Magics keep their line when IPython rewrites them, so lines can be compared.
    """
    for line in reversed(lines[: node.lineno - 1]):
        if _HIDDEN[1] in line:
            return False
        if _HIDDEN[0] in line:
            return True
    return False


def _literal_names(tree: ast.Module) -> set[str]:
    """Names that the cell binds once, to a literal: expected values, as a rule."""
    bound = Counter(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    return {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and (name := _bound_literal(node))
        if bound[name] == 1
    }


def _bound_literal(node: ast.Assign) -> str | None:
    match node.targets:
        case [ast.Name(id=name)] if _is_literal(node.value):
            return name
    return None


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True


def _word(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(string.ascii_lowercase, k=length))


@dataclass(frozen=True)
class _Look:
    """Names and values by which a twin differs from its check; number 0 turns nothing."""

    number: int
    text: str
    other: str
    seen: str

    @classmethod
    def by(cls, chance: random.Random) -> _Look:
        number, text = chance.randint(11, 97), _word(chance, 9)
        return cls(number, text, f"_{_word(chance, 7)}", f"_{_word(chance, 7)}")


class _Turner(ast.NodeTransformer):
    """Puts a turned condition in place of each chosen assert's, and a note before it.

    Values that are written out are changed where they stand, so that an answer
    that looks up what it is compared with finds the changed one.
    """

    def __init__(self, chosen: set[int], tree: ast.Module, look: _Look) -> None:
        self._chosen, self._tree, self._look = chosen, tree, look
        self._literals = _literal_names(tree)
        self._expected: set[str] = set()

    def turned(self) -> str:
        """The twin's source: what it needs, the turned check, and that it met one."""
        look = self._look
        needs = inspect.getsource(other_value).replace("other_value", look.other)
        needs = needs.replace(": Any", "").replace("-> Any", "")
        check = ast.unparse(ast.fix_missing_locations(self.visit(self._tree)))
        end = f"assert {look.seen} or {look.number} < 1"
        return f"{needs}\n\n{look.seen} = []\n{check}\n{end}"

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Turn the asserts, then the literals of the names that they compare with."""
        self.generic_visit(node)
        for child in ast.walk(node):
            if (
                isinstance(child, ast.Assign)
                and _bound_literal(child) in self._expected
            ):
                child.value = self._changed(child.value)
        return node

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        """The turned assert after its note; others stay as they are."""
        if id(node) not in self._chosen:
            return [node]
        return [*self._note(), ast.Assert(self._turn(node.test), node.msg)]

    def _note(self) -> list[ast.stmt]:
        """That a turned condition was met."""
        return ast.parse(f"{self._look.seen}.append(0)").body

    def visit_Expr(self, node: ast.Expr) -> list[ast.stmt]:
        """The same for a call that asserts."""
        if id(node) not in self._chosen or not isinstance(node.value, ast.Call):
            return [node]
        if _is_raises(node.value):
            self._want_another(node.value)
            return [*self._note(), node]
        call, at = node.value, _turned_argument(node.value)
        if at is not None:
            old = call.args[at]
            truth = len(call.args) == 1 or not _is_literal(old)
            turned = bool(self._look.number)
            call.args[at] = (
                self._has_truth(old, turned) if truth else self._changed(old)
            )
        return [*self._note(), node]

    def visit_With(self, node: ast.With) -> list[ast.stmt]:
        """The same for `with pytest.raises(…)`; what stands in it may be turned too."""
        self.generic_visit(node)
        if id(node) not in self._chosen:
            return [node]
        for item in node.items:
            if _is_raises(item.context_expr):
                self._want_another(item.context_expr)
        return [*self._note(), node]

    def _want_another(self, call: ast.Call) -> None:
        """Have a call want an exception that nothing raises."""
        never = f"type({self._look.text!r}, (Exception,), {{}})"
        wanted = f"[0, {never}][{self._look.number} > 0] or 0"
        choice = ast.parse(wanted, mode="eval").body
        choice.values[1] = call.args[0]  # type: ignore[attr-defined]
        call.args[0] = choice

    def _turn(self, test: ast.expr) -> ast.expr:
        """A condition that is false for honest values wherever ``test`` is true."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            connect = ast.Or() if self._look.number else ast.And()
            return ast.BoolOp(connect, [self._turn(value) for value in test.values])
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            return self._turn_compare(test)
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self._has_truth(test.operand, not self._look.number)
        return self._has_truth(test, bool(self._look.number))

    def _has_truth(self, test: ast.expr, turned: bool) -> ast.expr:
        """That ``test`` is true, or, ``turned``, that it is false."""
        truth = ast.UnaryOp(ast.Not(), ast.UnaryOp(ast.Not(), test))
        return ast.Compare(truth, [ast.Is()], [ast.Constant(not turned)])

    def _turn_compare(self, test: ast.Compare) -> ast.expr:
        left, op, right = test.left, test.ops[0], test.comparators[0]
        if isinstance(op, ast.Eq):
            return self._turn_equal(left, right)
        if isinstance(op, ast.In):
            return self._call("a in [{other}] or {other} in b", left, right)
        if not self._look.number:
            return test
        return ast.Compare(left, [_OPPOSITE[type(op)]()], [right])

    def _turn_equal(self, left: ast.expr, right: ast.expr) -> ast.expr:
        equal: list[ast.cmpop] = [ast.Eq()]
        if _is_literal(right):
            return ast.Compare(left, equal, [self._changed(right)])
        if _is_literal(left):
            return ast.Compare(self._changed(left), equal, [right])
        for side in (right, left):
            if isinstance(side, ast.Name) and side.id in self._literals:
                self._expected.add(side.id)
                return ast.Compare(left, equal, [right])
        # Either side may be the one that equals everything.
        return self._call("a == {other_b} or {other} == b", left, right)

    def _changed(self, literal: ast.expr) -> ast.expr:
        value = other_value(
            ast.literal_eval(literal), self._look.number, self._look.text
        )
        return ast.parse(repr(value), mode="eval").body

    def _call(self, body: str, left: ast.expr, right: ast.expr) -> ast.expr:
        """Evaluate both sides once, then ``body`` of them."""
        look = self._look
        how = f"{look.number}, {look.text!r}"
        text = body.format(
            other=f"{look.other}(a, {how})", other_b=f"{look.other}(b, {how})"
        )
        function = ast.parse(f"(lambda a, b: {text})", mode="eval").body
        return ast.Call(function, [left, right], [])
