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
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from roadmap.grading.proof.asserted import (
    asserted,
    points_of,
    read_check,
    wanted_error,
    wants_raised,
    wants_truth,
)
from roadmap.grading.proof.condition import Conditions, Look
from roadmap.grading.proof.expected import Origin, origins
from roadmap.grading.proof.likeness import called, likeness

# A value is points if it is shown as a number, in whatever way it came to be shown.
_POINTS = """\
try:
    {look.points} = {look.builtins}.float({look.builtins}.repr({look.points}))
except {look.builtins}.ValueError:
    {look.points} = {points!r}
assert {look.points} >= {points!r} or {look.number} > 0"""


# As `%precision` may have it.
_ROUNDED = 0.99
# Statements that an error can end.
_DOING = (
    *(ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete, ast.Expr, ast.Assert),
    *(
        ast.For,
        ast.AsyncFor,
        ast.While,
        ast.If,
        ast.With,
        ast.AsyncWith,
        ast.Try,
        ast.Match,
    ),
)


class Twins(NamedTuple):
    """What a check's twins are; honest work passes one and fails the other."""

    positive: str
    negative: str


def twins(
    source: str,
    chance: random.Random,
    points: float = 0.0,
    rebound: Collection[str] = (),
) -> Twins | None:
    """The twins of a check cell, or None when there is nothing in it that they could ask.

    An honest answer ends the negative one with an exception. Nothing tells that but the
    exception: a value shown could be altered on its way, so where a check's last line
    gives points, the positive one asks for the ``points`` that were seen. ``chance``
    picks names and values; ``rebound`` are names that the answers bind while a check
    runs, which therefore cannot hold another value for it.
    """
    tree, other = read_check(source), read_check(source)
    if tree is None or other is None:
        return None
    look = Look.by(chance)
    chosen = asserted(tree, source)
    if not chosen and points_of(tree) is None:
        return None
    still = replace(look, number=0)
    return Twins(
        _Turner(asserted(other, source), other, still, rebound).turned(points),
        _Turner(chosen, tree, look, rebound).turned(points),
    )


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

    def __init__(
        self,
        chosen: set[int],
        tree: ast.Module,
        look: Look,
        rebound: Collection[str],
    ) -> None:
        self._chosen, self._tree, self._look = chosen, tree, look
        self._kept = list(ast.walk(tree))  # so that no new node gets the id of one
        self._conditions = Conditions(look, self._changed_before)
        self._origins = origins(tree, chosen)
        self._rebound = rebound
        self._here: Mapping[str, Origin] = {}
        self._expected: dict[tuple[int, str], Origin] = {}

    def turned(self, points: float) -> str:
        """The twin's source: what it needs, the turned check, and what is to be thought of it."""
        look, last = self._look, points_of(self._tree)
        tree = self.visit(self._tree)
        if last is not None:
            tree.body[-1] = ast.Assign([ast.Name(look.points, ast.Store())], last.value)
        future = [node for node in tree.body if _is_future(node)]
        rest = [self._gone_on(node) for node in tree.body if node not in future]
        # The positive one ends where a condition is false, or was not forged here either.
        end = f"assert [_ for _ in {look.seen} if _] or {look.number} < 1"
        if last is not None:
            end += f"\n{_POINTS.format(points=points * _ROUNDED, look=look)}"
        return "\n".join([*map(_text, future), look.needs, *map(_text, rest), end])

    def _gone_on(self, node: ast.stmt) -> ast.stmt:
        """The statement; in the negative twin an error in it is not the end of all."""
        if not isinstance(node, _DOING):
            return node
        error, number = f"{self._look.builtins}.Exception", self._look.number
        frame = f"try:\n    pass\nexcept {error}:\n    if {number} < 1:\n        raise"
        (attempt,) = ast.parse(frame).body
        attempt.body[0] = node  # type: ignore[attr-defined]
        return attempt

    def visit(self, node: ast.AST) -> Any:
        """Turn an expression that was chosen; statements have their own methods."""
        if not isinstance(node, ast.expr) or id(node) not in self._chosen:
            return super().visit(node)
        self.generic_visit(node)
        match node:
            case ast.Compare(left, [ast.NotEq()], sides):
                alike = ast.Compare(left, [ast.Eq()], sides)
                return ast.UnaryOp(ast.Not(), self._note(node, alike))
        return self._note(node, node)

    def _note(self, chosen: ast.AST, test: ast.expr) -> ast.expr:
        """The turned ``test``, noted; only in the positive twin its value is the note's."""
        self._here = self._origins.get(id(chosen), {})
        turned = self._conditions.turned(test)
        return ast.Call(ast.Name(self._look.note, ast.Load()), [turned], [])

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

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        """The turned condition; only in the positive twin is it the end if it is false."""
        if id(node) not in self._chosen:
            return node
        self.generic_visit(node)
        # All in the assert, so that nothing is left of it where asserts are dropped.
        return ast.Assert(self._note(node, node.test))

    def visit_Expr(self, node: ast.Expr) -> ast.stmt | list[ast.stmt]:
        """The same for a call that asserts."""
        self.generic_visit(node)
        call = node.value
        if id(node) not in self._chosen or not isinstance(call, ast.Call):
            return node
        self._here = self._origins.get(id(node), {})
        alike = likeness(call)
        if alike is not None:
            node.value = self._conditions.unlike(alike)
        elif wants_truth(call):
            call.args[0] = self._untrue(call)
        else:
            call.args[0] = self._another_error(call.args[0])
        return self._noted(node)

    def _untrue(self, call: ast.Call) -> ast.expr:
        """Another argument for `assertTrue` or `assertFalse`."""
        if called(call) == "asserttrue":
            return self._conditions.turned(call.args[0])
        wrong = self._conditions.turned(ast.UnaryOp(ast.Not(), call.args[0]))
        return ast.UnaryOp(ast.Not(), wrong)

    def visit_With(self, node: ast.With) -> list[ast.stmt]:
        """The same for `with pytest.raises(…)`; what stands in it may be turned too."""
        self.generic_visit(node)
        if id(node) not in self._chosen:
            return [node]
        for item in node.items:
            call = item.context_expr
            if wants_raised(call):
                call.args[0] = self._another_error(call.args[0])
        return self._noted(node)

    def visit_Try(self, node: ast.Try) -> ast.stmt | list[ast.stmt]:
        """The same for a `try` that raises an error if none is caught."""
        self.generic_visit(node)
        handler = wanted_error(node)
        if id(node) not in self._chosen or handler is None or handler.type is None:
            return node
        handler.type = self._another_error(handler.type)
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

    def _another_error(self, wanted: ast.expr) -> ast.expr:
        """In place of the type of an exception, one that nothing raises."""
        look = self._look
        error = f"{look.builtins}.Exception"
        never = f"{look.builtins}.type({look.text!r}, ({error},), {{}})"
        text = f"[0, {never}][{self._look.number} > 0] or 0"
        choice = ast.parse(text, mode="eval").body
        choice.values[1] = wanted  # type: ignore[attr-defined]
        return choice

    def _changed_before(self, side: ast.expr) -> bool:
        """Whether ``side`` is a name that can be, and then will be, bound to another value."""
        if not isinstance(side, ast.Name) or side.id not in self._here:
            return False
        if side.id in self._rebound:
            return False
        origin = self._here[side.id]
        self._expected[id(origin), side.id] = origin
        return True


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _text(node: ast.stmt) -> str:
    return ast.unparse(ast.fix_missing_locations(node))
