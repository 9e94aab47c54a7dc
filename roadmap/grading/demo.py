"""A small made-up class, from release to feedback, in a course directory of its own.

It shows an instructor what the course does with honest, unfinished, mistaken,
broken and hostile work, and it fails if one of them does not end as it should.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from roadmap.errors import RoadmapError
from roadmap.grading import Row, feedback, grade
from roadmap.grading.private import make_private_course
from roadmap.grading.sandbox import available
from roadmap.lessons.answers import fill, read_answers, references

ASSIGNMENT = "phase1_basics"
FOLDER = "demo"
LESSONS = 3  # as many as can be watched; the first ones of the phase
SETTINGS = "c.ExecutePreprocessor.timeout = 5"

Answers = Callable[[Path, str, NotebookNode], Mapping[str, str]]


@dataclass(frozen=True)
class Member:
    """One learner of the class.

    ``answers`` gives the answers for a notebook; ``damage`` spoils the written
    text of the last one. ``expected`` tells whether a graded row is as it should be.
    """

    name: str
    story: str
    answers: Answers
    expected: Callable[[Row], bool]
    damage: Callable[[str], str] | None = None


@dataclass(frozen=True)
class DemoResult:
    """``lines`` are for people; ``surprises`` are rows that should not be as they are."""

    assignment: str
    rows: list[Row]
    lines: list[str]
    surprises: list[Row]


def run_demo(root: Path, on_progress: Callable[[int, int], None]) -> DemoResult:
    """Make ``root/demo`` anew, grade its class and write its feedback pages.

    Raises:
        RoadmapError: the course is not built, or the folder cannot be written.
    """
    course = _make_course(root)
    notebooks = _hand_in(root, course)
    missing = available()
    rows = grade(ASSIGNMENT, course, sandbox=not missing, on_progress=on_progress)
    pages = feedback(ASSIGNMENT, course)
    stories = {member.name: member for member in CLASS}
    surprises = [row for row in rows if not stories[row.student].expected(row)]
    if len(rows) != len(CLASS) * notebooks:
        raise RoadmapError(
            f"{course}: {len(rows)} rows for {len(CLASS)} learners and {notebooks} notebooks each"
        )
    lines = ["", "The class:"]
    lines += [f"  {member.name:6} {member.story}" for member in CLASS]
    if missing:
        lines += [
            "",
            f"Run without isolation, this host has none: {'; '.join(missing)}",
        ]
    lines += [
        "",
        f"{len(pages)} feedback pages, the first: {pages[0]}"
        if pages
        else "no feedback pages",
        f"To see the class in formgrader: cd {FOLDER} && ../.venv/bin/jupyter lab, "
        "then Nbgrader > Formgrader",
    ]
    lines += [
        f"UNEXPECTED: {row.student} {row.notebook} {row.status}" for row in surprises
    ]
    return DemoResult(ASSIGNMENT, rows, lines, surprises)


def _make_course(root: Path) -> Path:
    course = root / FOLDER
    shutil.rmtree(course, ignore_errors=True)
    kinds = ("source", "release")
    make_private_course(
        root, course, ASSIGNMENT, kinds, "The made-up class of `make demo`", SETTINGS
    )
    for kind in kinds:
        for path in sorted((course / kind / ASSIGNMENT).glob("*.ipynb"))[LESSONS:]:
            path.unlink()
    return course


def _hand_in(root: Path, course: Path) -> int:
    """Write what each member hands in; returns the number of notebooks in the assignment."""
    sources = sorted((course / "source" / ASSIGNMENT).glob("*.ipynb"))
    for member in CLASS:
        folder = course / "submitted" / member.name / ASSIGNMENT
        shutil.copytree(course / "release" / ASSIGNMENT, folder)
        for path in sources:
            source = nbformat.read(path, as_version=4)
            released = nbformat.read(folder / path.name, as_version=4)
            answers = member.answers(root, path.stem, source)
            text = nbformat.writes(fill(released, answers))
            if member.damage and path is sources[-1]:
                text = member.damage(text)
            (folder / path.name).write_text(text, encoding="utf-8")
    return len(sources)


def _all(root: Path, lesson: str, source: NotebookNode) -> dict[str, str]:
    return references(source)


def _half(root: Path, lesson: str, source: NotebookNode) -> dict[str, str]:
    answers = list(references(source).items())
    return dict(answers[: len(answers) // 2])


def _none(root: Path, lesson: str, source: NotebookNode) -> dict[str, str]:
    return {}


def _mistaken(root: Path, lesson: str, source: NotebookNode) -> dict[str, str]:
    """The first wrong answer the authors foresaw for each exercise."""
    wrong = [a for a in read_answers(root, ASSIGNMENT, lesson) if not a.right]
    return {answer.exercise: answer.source for answer in reversed(wrong)}


def _second_is(code: str) -> Answers:
    """All right, but for the second exercise, whose answer is ``code``."""

    def answers(root: Path, lesson: str, source: NotebookNode) -> dict[str, str]:
        right = references(source)
        return right | {list(right)[1]: code}

    return answers


DROP_ASSERTS = """\
import ast


class Drop(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()


get_ipython().ast_transformers.append(Drop())
"""


def _full(row: Row) -> bool:
    return row.status == "graded" and row.score == row.max_score > 0


def _partly(row: Row) -> bool:
    return row.status == "graded" and 0 < row.score < row.max_score


def _nothing(row: Row) -> bool:
    return row.status == "graded" and row.score == 0


def _timed_out(row: Row) -> bool:
    return row.status == "timeout" and 0 < row.score < row.max_score


def _died(row: Row) -> bool:
    return row.status == "kernel_died" and 0 < row.score < row.max_score


def _tampered(row: Row) -> bool:
    return row.status == "tampered" and 0 < row.score < row.max_score


def _full_or_invalid(row: Row) -> bool:
    return _full(row) or (row.status == "invalid" and row.score == 0)


CLASS = (
    Member("ada", "every answer right", _all, _full),
    Member("ben", "half of the exercises done", _half, _partly),
    Member("cem", "handed in untouched", _none, _nothing),
    Member(
        "dora",
        "one notebook cut off by a bad download",
        _all,
        _full_or_invalid,
        lambda t: t[:999],
    ),
    Member("eli", "an infinite loop", _second_is("while True:\n    pass"), _timed_out),
    Member(
        "fay",
        "the mistakes that the authors foresaw",
        _mistaken,
        lambda row: not _full(row),
    ),
    Member("gus", "ends the kernel", _second_is("import os\n\nos._exit(1)"), _died),
    Member("hal", "keeps asserts from running", _second_is(DROP_ASSERTS), _tampered),
)
