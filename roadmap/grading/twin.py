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
import random
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, TypeGuard

from IPython.core.inputtransformer2 import TransformerManager

from roadmap.grading.condition import Conditions, Look
from roadmap.grading.expected import Origin, is_literal, origins
from roadmap.grading.likeness import called

_HIDDEN = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
# assert_equal, assertListEqual, assert_allclose, …; not assertNotEqual, assertLessEqual
_EQUALITY = re.compile(r"assert(?!.*(?:not|less|greater)).*(?:equals?|close)")
# pytest.raises(ValueError), case.assertRaises(ValueError, f), case.assertRaisesRegex(…)
_RAISES = re.compile(r"(?:assert)?raises(?:regexp?)?")


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
    look = Look.by(chance)
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


def _is_raises(node: ast.expr) -> TypeGuard[ast.Call]:
    """Whether it is a call that wants an exception of the type that it is given first."""
    return (
        isinstance(node, ast.Call)
        and bool(node.args)
        and _RAISES.fullmatch(called(node)) is not None
    )


def _turned_argument(call: ast.Call) -> int | None:
    """Which argument of `assertEqual`, `assert_allclose`, `assertTrue` and such to turn."""
    kind = called(call)
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


class _Turner(ast.NodeTransformer):
    """Puts a turned condition in place of each chosen one, and a verdict at the end.

    Values that are written out are changed where they stand, so that an answer
    that looks up what it is compared with finds the changed one.
    """

    def __init__(self, chosen: set[int], tree: ast.Module, look: Look) -> None:
        self._chosen, self._tree, self._look = chosen, tree, look
        self._conditions = Conditions(look, self._changed_before)
        self._origins = origins(tree, chosen)
        self._here: Mapping[str, Origin] = {}
        self._expected: dict[tuple[int, str], Origin] = {}

    def turned(self) -> str:
        """The twin's source: what it needs, the turned check, and what is to be thought of it."""
        look = self._look
        check = ast.unparse(ast.fix_missing_locations(self.visit(self._tree)))
        # The positive one ends where a condition is false, or was not forged here either.
        end = f"assert [_ for _ in {look.seen} if _] or {look.number} < 1"
        return f"{look.needs}\n\n{look.seen} = []\n{check}\n{end}"

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Turn the asserts, then what the names hold that they compare with."""
        self.generic_visit(node)
        for (_, name), origin in self._expected.items():
            if isinstance(origin, ast.Assign):
                origin.value = self._conditions.changed(origin.value)
            else:
                self._change_items(origin, name)
        return node

    def _change_items(self, loop: ast.For, name: str) -> None:
        """Have a loop bind ``name`` to changed values."""
        items = _items(loop, name, self._tree)
        if items is None:
            value = self._conditions.changed(ast.Name(name, ast.Load()))
            loop.body.insert(0, ast.Assign([ast.Name(name, ast.Store())], value))
        for row, place in items or []:
            row[place] = self._conditions.changed(row[place])

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        """The turned condition; only in the positive twin is it the end if it is false."""
        if id(node) not in self._chosen:
            return [node]
        self._here = self._origins.get(id(node), {})
        look, test = self._look, ast.unparse(self._conditions.turned(node.test))
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
            return self._conditions.changed(call.args[at])
        if called(call) == "asserttrue":
            return self._conditions.turned(call.args[at])
        wrong = self._conditions.turned(ast.UnaryOp(ast.Not(), call.args[at]))
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

    def _changed_before(self, side: ast.expr) -> bool:
        """Whether ``side`` is a name that can be, and then will be, bound to another value."""
        if not isinstance(side, ast.Name) or side.id not in self._here:
            return False
        origin = self._here[side.id]
        self._expected[id(origin), side.id] = origin
        return True
