"""Negative twins: check cells that honest work must fail.

"No error" is no proof that a check has judged anything: a submission can answer
with an object that equals everything, drop asserts, silence errors, forge the
kernel's messages or read the expected value off the caller's frame. So the
notebook is run a second time, in a new kernel, with each check cell replaced by
its twin, in which every condition is turned into one that holds for no honest
answer. Whoever passes both passes whatever is compared.

The twin is made outside, by rewriting the source: nothing in the kernel has to be
trusted, and the submission is not told which run it is in. Only the hidden tests
are turned, where there are some, because their text is not known to learners.
"""

from __future__ import annotations

import ast
import inspect
import random
import re
import string
from collections import Counter
from typing import Any, TypeGuard

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
    """A value of the same kind that equals neither ``value`` nor anything honest."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float, complex)):
        return value + number
    if isinstance(value, str):
        return value + text
    if isinstance(value, bytes):
        return value + text.encode()
    if isinstance(value, list):
        return [*value, text]
    if isinstance(value, tuple):
        return (*value, text)
    if isinstance(value, dict):
        return {**value, text: text}
    if isinstance(value, (set, frozenset)):
        return {*value, text}
    return text


def negative_twin(source: str, chance: random.Random) -> str | None:
    """The twin of a check cell, or None when it has no condition that can be turned.

    An honest answer ends it with an exception, be it because it has met none of the
    turned conditions. Nothing tells that but the exception: a value shown could be
    altered on its way. ``chance`` picks names and values.
    """
    try:
        tree = ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError:
        return None
    lines = source.splitlines()
    asserts = [node for node in ast.walk(tree) if _is_condition(node)]
    hidden = [node for node in asserts if _is_hidden(node, lines)]
    chosen = hidden or asserts
    if not chosen:
        return None
    turner = _Turner(set(map(id, chosen)), _literal_names(tree), chance)
    turned = ast.fix_missing_locations(turner.visit(tree))
    return f"{turner.preamble()}\n{ast.unparse(turned)}\nassert {turner.seen}"


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


class _Turner(ast.NodeTransformer):
    """Puts a turned condition in place of each chosen assert's, and a note before it.

    Values that are written out are changed where they stand, so that an answer
    that looks up what it is compared with finds the changed one.
    """

    def __init__(
        self, chosen: set[int], literals: set[str], chance: random.Random
    ) -> None:
        self._chosen = chosen
        self._number, self._text = chance.randint(11, 97), _word(chance, 9)
        self._other, self.seen = f"_{_word(chance, 7)}", f"_{_word(chance, 7)}"
        self._literals = literals
        self._expected: set[str] = set()

    def preamble(self) -> str:
        """What the turned asserts need."""
        source = inspect.getsource(other_value)
        source = source.replace("other_value", self._other).replace(": Any", "")
        return f"{source.replace('-> Any', '')}\n\n{self.seen} = []"

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
        return ast.parse(f"{self.seen}.append(0)").body

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
            call.args[at] = ast.UnaryOp(ast.Not(), old) if truth else self._changed(old)
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
        other = f"type({self._text!r}, (Exception,), {{}})"
        call.args[0] = ast.parse(other, mode="eval").body

    def _turn(self, test: ast.expr) -> ast.expr:
        """A condition that is false for honest values wherever ``test`` is true."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return ast.BoolOp(ast.Or(), [self._turn(value) for value in test.values])
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            return self._turn_compare(test)
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return test.operand
        return ast.UnaryOp(ast.Not(), test)

    def _turn_compare(self, test: ast.Compare) -> ast.expr:
        left, op, right = test.left, test.ops[0], test.comparators[0]
        if isinstance(op, ast.Eq):
            return self._turn_equal(left, right)
        if isinstance(op, ast.In):
            return self._call("a in [{other}] or {other} in b", left, right)
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
        value = other_value(ast.literal_eval(literal), self._number, self._text)
        return ast.parse(repr(value), mode="eval").body

    def _call(self, body: str, left: ast.expr, right: ast.expr) -> ast.expr:
        """Evaluate both sides once, then ``body`` of them."""
        how = f"{self._number}, {self._text!r}"
        text = body.format(
            other=f"{self._other}(a, {how})", other_b=f"{self._other}(b, {how})"
        )
        function = ast.parse(f"(lambda a, b: {text})", mode="eval").body
        return ast.Call(function, [left, right], [])
