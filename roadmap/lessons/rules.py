"""The build rules: what an author may not get wrong.

Each rule looks at what was read and yields a :class:`Problem` with its file
and line. Nothing is built while one of them finds something.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from roadmap.lessons.problems import Problem
from roadmap.lessons.text import ID, ID_LENGTH, UNREAD, LessonText, TextCell

LESSON_NAME = re.compile(r"\d\d_[a-z0-9_]+")
PHASE_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MARKERS = {"solution", "test", "points"}
MARK = re.compile(r"\b(BEGIN|END) (SOLUTION|HIDDEN TESTS)\b")


@dataclass(frozen=True)
class GradedCell:
    """A cell with a ``solution`` or ``test`` marker."""

    role: str
    id: str
    cell: TextCell


def graded_cells(lesson: LessonText) -> list[GradedCell]:
    """The lesson's answer and check cells in order."""
    return [
        GradedCell(role, str(cell.markers[role]), cell)
        for cell in lesson.cells
        for role in ("solution", "test")
        if cell.kind == "code" and role in cell.markers
    ]


def answer_of(test_id: str, solution_ids: Iterable[str]) -> str | None:
    """The exercise a check belongs to: its own id, or the longest one it extends."""
    fitting = [
        id for id in solution_ids if test_id == id or test_id.startswith(f"{id}-")
    ]
    return max(fitting, key=len, default=None)


def parse(source: str) -> ast.Module:
    """The syntax tree of a code cell; ``await`` may stand at its top level, as in a notebook.

    Raises:
        SyntaxError: it is not Python.
    """
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree: ast.Module = compile(source, "<cell>", "exec", flags, dont_inherit=True)
    return tree


def check_lesson(lesson: LessonText) -> Iterator[Problem]:
    """All that is wrong inside one lesson."""
    yield from lesson.problems
    for rule in _RULES:
        yield from rule(lesson)


def check_course(lessons: Iterable[LessonText]) -> Iterator[Problem]:
    """What only shows across lessons: ids that are used twice."""
    seen: dict[tuple[str, str], str] = {}
    for lesson in lessons:
        named = [
            (graded.role, graded.id, graded.cell.line)
            for graded in graded_cells(lesson)
        ]
        named += [
            ("quiz", name, fence.line)
            for fence in lesson.fences
            for name in lesson.quizzes
            if f'quiz="{name}"' in fence.info
        ]
        for role, id, line in named:
            # "test-x" as an answer's id would be the cell id of check "x".
            key = ("quiz", id) if role == "quiz" else ("cell", cell_id(role, id))
            if key in seen:
                yield Problem(
                    lesson.path,
                    line,
                    f"{role} id {id!r} is taken by {seen[key]}; ids are unique in the whole course",
                )
            else:
                seen[key] = f"{lesson.path}:{line}"


def cell_id(role: str, id: str) -> str:
    """The notebook cell id, which is nbgrader's grade id as well."""
    return f"test-{id}" if role == "test" else id


def _title(lesson: LessonText) -> Iterator[Problem]:
    first = lesson.cells[0] if lesson.cells else None
    if first is None or first.kind != "markdown" or not first.source.startswith("# "):
        yield Problem(lesson.path, lesson.body, "a lesson begins with its title: `# …`")


def _markers(lesson: LessonText) -> Iterator[Problem]:
    for cell in lesson.cells:
        for name in cell.markers.keys() - _MARKERS - {UNREAD}:
            yield Problem(
                lesson.path,
                cell.line,
                f"unknown marker {name!r}; there are only solution, test with points, and quiz",
            )
        if {"solution", "test"} <= cell.markers.keys():
            yield Problem(
                lesson.path,
                cell.line,
                "a cell is an answer or a check, not both; split it",
            )


def _ids(lesson: LessonText) -> Iterator[Problem]:
    for graded in graded_cells(lesson):
        if not ID.fullmatch(graded.id) or len(graded.id) > ID_LENGTH:
            yield Problem(
                lesson.path,
                graded.cell.line,
                f"{graded.role} id {graded.id!r}: use [a-z0-9-]+, {ID_LENGTH} characters at most",
            )


def _points(lesson: LessonText) -> Iterator[Problem]:
    for cell in lesson.cells:
        points = cell.markers.get("points")
        if "test" in cell.markers and "points" not in cell.markers:
            yield Problem(
                lesson.path,
                cell.line,
                f"test {cell.markers['test']!r} has no points; add points=1",
            )
        elif "points" in cell.markers and "test" not in cell.markers:
            yield Problem(lesson.path, cell.line, "points stand on a test cell only")
        elif "points" in cell.markers and (
            isinstance(points, bool)
            or not isinstance(points, int | float)
            or not 0 <= points < 1000
        ):
            yield Problem(
                lesson.path,
                cell.line,
                f"points={points!r}: give a number from 0, without quotes",
            )


def _pairs(lesson: LessonText) -> Iterator[Problem]:
    graded = graded_cells(lesson)
    solutions = [cell.id for cell in graded if cell.role == "solution"]
    answered: set[str] = set()
    checked: set[str] = set()
    for cell in graded:
        if cell.role == "solution":
            answered.add(cell.id)
            continue
        owner = answer_of(cell.id, solutions)
        if owner is None:
            yield Problem(
                lesson.path,
                cell.cell.line,
                f'test "{cell.id}" has no solution; add ```python solution="{cell.id}" above it',
            )
        elif owner not in answered:
            yield Problem(
                lesson.path,
                cell.cell.line,
                f"test {cell.id!r} stands before its solution {owner!r}",
            )
        checked.add(owner or "")
    for cell in graded:
        if cell.role == "solution" and cell.id not in checked:
            yield Problem(
                lesson.path,
                cell.cell.line,
                f'solution "{cell.id}" has no test; add ```python test="{cell.id}" points=1 below',
            )


def _marks(lesson: LessonText) -> Iterator[Problem]:
    """BEGIN/END marks: balanced, in the right kind of cell, and there at all."""
    by_line = {cell.line: cell for cell in lesson.cells if cell.line}
    home: dict[int, TextCell] = {}
    for fence in lesson.fences:
        if fence.line in by_line:
            home |= dict.fromkeys(range(fence.line + 1, fence.end), by_line[fence.line])
    where = {"SOLUTION": "solution", "HIDDEN TESTS": "test"}
    open_at: dict[tuple[int, str], int] = {}
    complete: set[tuple[int, str]] = set()
    for number, line in enumerate(lesson.text.splitlines(), 1):
        mark = MARK.search(line)
        if mark is None:
            continue
        side, kind = mark.groups()
        cell = home.get(number)
        if cell is None or where[kind] not in cell.markers:
            yield Problem(
                lesson.path, number, f"{mark[0]} outside a cell marked `{where[kind]}=`"
            )
            continue
        key = (cell.line, kind)
        if side == "BEGIN":
            if key in open_at:
                yield Problem(lesson.path, number, f"{mark[0]} again before END {kind}")
            open_at[key] = number
        elif open_at.pop(key, None) is None:
            yield Problem(lesson.path, number, f"{mark[0]} without BEGIN {kind}")
        else:
            complete.add(key)
    for (_, kind), number in open_at.items():
        yield Problem(lesson.path, number, f"BEGIN {kind} without END {kind}")
    opened = complete | open_at.keys()
    for graded in graded_cells(lesson):
        if graded.role == "solution" and (graded.cell.line, "SOLUTION") not in opened:
            yield Problem(
                lesson.path,
                graded.cell.line,
                f"solution {graded.id!r} is outside the marks; put ### BEGIN SOLUTION and "
                "### END SOLUTION round what learners write",
            )
        if graded.role == "test" and (graded.cell.line, "HIDDEN TESTS") not in opened:
            yield Problem(
                lesson.path,
                graded.cell.line,
                f"test {graded.id!r} has no hidden tests; add ### BEGIN HIDDEN TESTS and "
                "### END HIDDEN TESTS",
            )


def _checks_are_python(lesson: LessonText) -> Iterator[Problem]:
    for graded in graded_cells(lesson):
        if graded.role == "test":
            try:
                parse(graded.cell.source)
            except (SyntaxError, ValueError) as error:
                line = graded.cell.line + (getattr(error, "lineno", None) or 0)
                said = getattr(error, "msg", None) or str(error)
                yield Problem(
                    lesson.path, line, f"test {graded.id!r} is not Python: {said}"
                )


_RULES: tuple[Callable[[LessonText], Iterator[Problem]], ...] = (
    _title,
    _markers,
    _ids,
    _points,
    _pairs,
    _marks,
    _checks_are_python,
)
