"""Twins of check cells: one that honest work must pass, and one that it must fail.

"No error" is no proof that a check has judged anything: a submission can answer
with an object that equals everything, drop asserts, silence errors, forge the
kernel's messages or read the expected value off the caller's frame. So the
notebook is run twice more, in new kernels, with each check cell replaced by one of
two twins. In the negative one every condition is turned into one that holds for no
honest answer, and one of them that holds nevertheless is enough to pass: whoever passes
it has forged that condition, however honest the others are. The positive one looks the
same and asks what the check asks: whoever fails it has told the twins from the check,
by their looks, and may have failed the negative one on purpose.

Twins are made outside, by rewriting the source: nothing in the kernel has to be
trusted, and the submission is not told which of them it meets. Only the hidden tests
are turned, where there are some, because their text is not known to learners.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import random
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple, TypeGuard

from IPython.core.inputtransformer2 import TransformerManager

from roadmap.grading.expected import Origin, is_literal, origins

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
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


def other_value(value: Any, number: int, text: str) -> Any:
    """A value of the same kind that equals neither ``value`` nor anything honest.

    With 0 as ``number`` it is the value again.
    """
    if number < 1:
        return value
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float, complex)):
        # Far enough for any tolerance; of what is infinite it is the same.
        other = value + number * (1000 + abs(value))
        return text if other == value else other
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


class Twins(NamedTuple):
    """What a check's twins are; honest work passes one and fails the other."""

    positive: str
    negative: str


def twins(source: str, chance: random.Random) -> Twins | None:
    """The twins of a check cell, or None when it has no condition that can be turned.

    An honest answer ends the negative one with an exception. Nothing tells that but the
    exception: a value shown could be altered on its way. ``chance`` picks names and
    values.
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
    return next((n for n in (1, 0) if is_literal(call.args[n])), None)


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


def _items(
    loop: ast.For, name: str, tree: ast.Module
) -> list[tuple[list[ast.expr], int]] | None:
    """Where the values stand that a loop binds ``name`` to; None if they are not there."""
    table, target = loop.iter, loop.target
    if isinstance(table, ast.Name):
        table = _only_value(table.id, tree) or table
    if not isinstance(table, (ast.List, ast.Tuple)):
        return None
    if isinstance(target, ast.Name):
        found = [(table.elts, number) for number in range(len(table.elts))]
    else:
        names = [ast.unparse(part) for part in getattr(target, "elts", [])]
        rows = [
            row.elts for row in table.elts if isinstance(row, (ast.List, ast.Tuple))
        ]
        if name not in names or [len(row) for row in rows] != [len(names)] * len(
            table.elts
        ):
            return None
        found = [(row, names.index(name)) for row in rows]
    starred = any(isinstance(value, ast.Starred) for row, _ in found for value in row)
    return None if starred else found


def _only_value(name: str, tree: ast.Module) -> ast.expr | None:
    """What a name holds that is bound once and used once."""
    uses = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == name]
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=bound)]) if bound == name:
                return node.value if len(uses) == 2 else None
    return None


def _word(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(string.ascii_lowercase, k=length))


@dataclass(frozen=True)
class _Look:
    """Names and values by which a twin differs from its check; number 0 turns nothing."""

    number: int
    text: str
    other: str
    seen: str
    builtins: str

    @classmethod
    def by(cls, chance: random.Random) -> _Look:
        number, text = (
            chance.randint(11, 97),
            _word(chance, 6) + _word(chance, 3).upper(),
        )
        return cls(number, text, *(f"_{_word(chance, 7)}" for _ in range(3)))


class _Turner(ast.NodeTransformer):
    """Puts a turned condition in place of each chosen one, and a verdict at the end.

    Values that are written out are changed where they stand, so that an answer
    that looks up what it is compared with finds the changed one.
    """

    def __init__(self, chosen: set[int], tree: ast.Module, look: _Look) -> None:
        self._chosen, self._tree, self._look = chosen, tree, look
        self._origins = origins(tree, chosen)
        self._here: Mapping[str, Origin] = {}
        self._expected: dict[tuple[int, str], Origin] = {}

    def turned(self) -> str:
        """The twin's source: what it needs, the turned check, and what is to be thought of it."""
        look = self._look
        needs = f"import builtins\n{_OTHER_VALUE}".replace("other_value", look.other)
        needs = needs.replace("import builtins", f"import builtins as {look.builtins}")
        needs = needs.replace("builtins.", f"{look.builtins}.")
        check = ast.unparse(ast.fix_missing_locations(self.visit(self._tree)))
        # The positive one ends where a condition is false, or was not forged here either.
        end = f"assert [_ for _ in {look.seen} if _] or {look.number} < 1"
        return f"{needs}\n\n{look.seen} = []\n{check}\n{end}"

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Turn the asserts, then what the names hold that they compare with."""
        self.generic_visit(node)
        for (_, name), origin in self._expected.items():
            if isinstance(origin, ast.Assign):
                origin.value = self._changed(origin.value)
            else:
                self._change_items(origin, name)
        return node

    def _change_items(self, loop: ast.For, name: str) -> None:
        """Have a loop bind ``name`` to changed values."""
        items = _items(loop, name, self._tree)
        if items is None:
            value = self._changed(ast.Name(name, ast.Load()))
            loop.body.insert(0, ast.Assign([ast.Name(name, ast.Store())], value))
        for row, place in items or []:
            row[place] = self._changed(row[place])

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        """The turned condition; only in the positive twin is it the end if it is false."""
        if id(node) not in self._chosen:
            return [node]
        self._here = self._origins.get(id(node), {})
        look, test = self._look, ast.unparse(self._turn(node.test))
        # All in the assert, so that nothing is left of it where asserts are dropped.
        note = f"{look.seen}.append({test}) or {look.seen}[-1] or {look.number}"
        return ast.parse(f"assert {note}").body

    def visit_Expr(self, node: ast.Expr) -> list[ast.stmt]:
        """The same for a call that asserts."""
        if id(node) not in self._chosen or not isinstance(node.value, ast.Call):
            return [node]
        call, at = node.value, _turned_argument(node.value)
        if at is None:
            self._want_another(call)
        else:
            call.args[at] = self._other_argument(call, at)
        return self._noted(node)

    def _other_argument(self, call: ast.Call, at: int) -> ast.expr:
        if len(call.args) > 1 and is_literal(call.args[at]):
            return self._changed(call.args[at])
        if _kind(call) == "asserttrue":
            return self._turn(call.args[at])
        wrong = self._turn(ast.UnaryOp(ast.Not(), call.args[at]))
        return ast.UnaryOp(ast.Not(), wrong)

    def visit_With(self, node: ast.With) -> list[ast.stmt]:
        """The same for `with pytest.raises(…)`; what stands in it may be turned too."""
        self.generic_visit(node)
        if id(node) not in self._chosen:
            return [node]
        for item in node.items:
            if _is_raises(item.context_expr):
                self._want_another(item.context_expr)
        return self._noted(node)

    def _noted(self, node: ast.stmt) -> list[ast.stmt]:
        """Note that the statement ends well; only in the positive twin has it to."""
        look = self._look
        frame = (
            f"try:\n    pass\n    {look.seen}.append(1)\n"
            f"except:\n    if {look.number} < 1:\n        raise"
        )
        (attempt,) = ast.parse(frame).body
        attempt.body[0] = node  # type: ignore[attr-defined]
        return [attempt]

    def _want_another(self, call: ast.Call) -> None:
        """Have a call want an exception that nothing raises."""
        look = self._look
        error = f"{look.builtins}.Exception"
        never = f"{look.builtins}.type({look.text!r}, ({error},), {{}})"
        wanted = f"[0, {never}][{self._look.number} > 0] or 0"
        choice = ast.parse(wanted, mode="eval").body
        choice.values[1] = call.args[0]  # type: ignore[attr-defined]
        call.args[0] = choice

    def _turn(self, test: ast.expr) -> ast.expr:
        """A condition that is false for honest values, whether ``test`` is true or not."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            connect = ast.Or() if self._look.number else ast.And()
            return ast.BoolOp(connect, [self._turn(value) for value in test.values])
        if isinstance(test, ast.Compare):
            return self._turn_compare(test)
        return self._call("(not a) is False", "(not a) is True", [test])

    def _turn_compare(self, test: ast.Compare) -> ast.expr:
        sides = [test.left, *test.comparators]
        match test.ops:
            case [ast.Eq()]:
                return self._turn_equal(*sides)
            case [ast.Is()] if _is_truth(sides[1]):
                return ast.Compare(sides[0], test.ops, [self._changed(sides[1])])
            case [ast.Is()] if self._changed_before(sides[1]):
                return test
            case [ast.In()]:
                outside = f"{self._look.number} > 0"
                text = f"[{{}}, {self._look.text!r}][{outside}]"
                body = f"{text.format('a')} in b or a in [{text.format('b')}]"
                return self._call(body, body, sides)
        names = pairwise(string.ascii_letters[: len(sides)])
        pairs = list(zip(names, map(type, test.ops), strict=True))
        holds = " and ".join(_compared(a, op, b) for (a, b), op in pairs)
        fails = " or ".join(_compared(a, _OPPOSITE[op], b) for (a, b), op in pairs)
        if not any(map(_is_constant, sides)):
            # Two objects of a learner's: that the opposite operator is right is not asked.
            holds, fails = f"(not ({holds})) is False", f"(not ({holds})) is True"
        return self._call(holds, fails, sides)

    def _turn_equal(self, left: ast.expr, right: ast.expr) -> ast.expr:
        equal: list[ast.cmpop] = [ast.Eq()]
        if is_literal(right):
            return ast.Compare(left, equal, [self._changed(right)])
        if is_literal(left):
            return ast.Compare(self._changed(left), equal, [right])
        if self._changed_before(right) or self._changed_before(left):
            return ast.Compare(left, equal, [right])
        look = self._look
        other = f"{look.other}({{}}, {look.number}, {look.text!r})"
        # Either side may be the one that equals everything.
        body = f"a == {other.format('b')} or {other.format('a')} == b"
        return self._call(body, body, [left, right])

    def _changed_before(self, side: ast.expr) -> bool:
        """Whether ``side`` is a name that can be, and then will be, bound to another value."""
        if not isinstance(side, ast.Name) or side.id not in self._here:
            return False
        origin = self._here[side.id]
        self._expected[id(origin), side.id] = origin
        return True

    def _changed(self, value: ast.expr) -> ast.expr:
        """Another value; it is written out if ``value`` is."""
        number, text = self._look.number, self._look.text
        if not is_literal(value):
            function = ast.Name(self._look.other, ast.Load())
            arguments = [value, ast.Constant(number), ast.Constant(text)]
            return ast.Call(function, arguments, [])
        other = other_value(ast.literal_eval(value), number, text)
        written = ast.parse(repr(other), mode="eval").body
        return written if is_literal(written) else ast.Constant(other)

    def _call(self, holds: str, fails: str, sides: list[ast.expr]) -> ast.expr:
        """Evaluate the sides once, as a, b, …, then that ``holds`` is true, and ``fails`` too.

        No honest values do both. The positive twin has the former twice.
        """
        names = ", ".join(string.ascii_letters[: len(sides)])
        more = fails if self._look.number else holds
        body = holds if holds == fails else f"({holds}) and ({more})"
        function = ast.parse(f"(lambda {names}: {body})", mode="eval").body
        return ast.Call(function, sides, [])


def _is_constant(node: ast.expr) -> bool:
    return not any(isinstance(part, (ast.Name, ast.Call)) for part in ast.walk(node))


def _is_truth(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, bool)


def _compared(left: str, op: type[ast.cmpop], right: str) -> str:
    sides = ast.Name(left, ast.Load()), ast.Name(right, ast.Load())
    return ast.unparse(ast.Compare(sides[0], [op()], [sides[1]]))
