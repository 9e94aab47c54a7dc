"""Right and wrong answers that the graded cells must tell apart.

They stand in ``course/<phase>/answers/<NN_topic>.md`` and are never released.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from roadmap.lessons.fences import Fence, find_fences
from roadmap.lessons.files import ANSWERS, COURSE
from roadmap.lessons.problems import LessonError, Problem
from roadmap.lessons.rules import graded_cells
from roadmap.lessons.text import read_lesson

_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_INFO = re.compile(r'\w+(\s+\w+="[^"]*")+')
EQUIVALENT = "equivalent"
_SOLUTION_MARK = re.compile(
    r"^[ \t]*###\s*(?:BEGIN|END) SOLUTION[ \t]*\n?", re.MULTILINE
)


@dataclass(frozen=True)
class Answer:
    """What a learner might hand in for one exercise, and whether it is right.

    ``why`` says which misconception a wrong answer comes from; ``source``
    replaces the whole answer cell.
    """

    exercise: str
    right: bool
    why: str
    source: str
    path: str
    line: int


@dataclass(frozen=True)
class Excuse:
    """A mutant of the reference that does what the reference does, and why that is so."""

    exercise: str
    why: str
    source: str
    path: str
    line: int


def read_answers(root: Path, phase: str, lesson: str) -> list[Answer]:
    """The answers to one lesson's exercises, in file order; none if there is no file.

    Raises:
        LessonError: an answer's markers are wrong, or its exercise is not in the lesson.
    """
    return [
        Answer(
            marker["answer"],
            marker["verdict"] == "right",
            marker["why"],
            "\n".join(fence.body),
            path,
            fence.line,
        )
        for path, fence, marker in _read(root, phase, lesson)
        if marker["verdict"] != EQUIVALENT
    ]


def read_excuses(root: Path, phase: str, lesson: str) -> list[Excuse]:
    """The mutants that one lesson's author has excused, in file order.

    Raises:
        LessonError: as :func:`read_answers`.
    """
    return [
        Excuse(marker["answer"], marker["why"], "\n".join(fence.body), path, fence.line)
        for path, fence, marker in _read(root, phase, lesson)
        if marker["verdict"] == EQUIVALENT
    ]


def _read(
    root: Path, phase: str, lesson: str
) -> list[tuple[str, Fence, dict[str, str]]]:
    """The file's relative path, and each fence of it with its markers."""
    path = root / COURSE / phase / ANSWERS / f"{lesson}.md"
    if not path.is_file():
        return []
    relative = path.relative_to(root).as_posix()
    written = f"{COURSE}/{phase}/{lesson}.md"
    graded = graded_cells(
        read_lesson(written, (root / written).read_text(encoding="utf-8"))
    )
    exercises = {cell.id for cell in graded if cell.role == "solution"}
    read, problems = [], []
    for fence in find_fences(path.read_text(encoding="utf-8")):
        fault = _fault(fence, exercises)
        if fault:
            problems.append(Problem(relative, fence.line, fault))
        else:
            read.append((relative, fence, dict(_ATTRIBUTE.findall(fence.info))))
    if problems:
        raise LessonError(problems)
    return read


def fill(notebook: NotebookNode, answers: Mapping[str, str]) -> NotebookNode:
    """A copy of ``notebook`` in which each exercise named in ``answers`` is answered so.

    Raises:
        KeyError: the notebook has no answer cell of that id.
    """
    filled = copy.deepcopy(notebook)
    cells = {
        cell.metadata.nbgrader.grade_id: cell
        for cell in filled.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    for exercise, source in answers.items():
        cells[exercise].source = source
    return filled


def references(source: NotebookNode) -> dict[str, str]:
    """The reference answer of each exercise in an instructor's notebook, without its marks."""
    return {
        cell.metadata.nbgrader.grade_id: _SOLUTION_MARK.sub("", cell.source).rstrip(
            "\n"
        )
        for cell in source.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }


def _fault(fence: Fence, exercises: set[str]) -> str | None:
    form = '```python answer="some-id" verdict="right|wrong|equivalent" why="…"'
    if not fence.closed:
        return "this fence is never closed; end it with ```"
    marker = dict(_ATTRIBUTE.findall(fence.info))
    if not _INFO.fullmatch(fence.info) or marker.keys() != {"answer", "verdict", "why"}:
        return f"cannot read the markers of ```{fence.info}; write {form}"
    if marker["verdict"] not in ("right", "wrong", EQUIVALENT):
        return f"verdict {marker['verdict']!r} is no verdict; write {form}"
    if not marker["why"].strip():
        return "why is empty; name the misconception, or what makes it right"
    if marker["answer"] not in exercises:
        return f"no exercise {marker['answer']!r} in this lesson; it has {sorted(exercises)}"
    return None
