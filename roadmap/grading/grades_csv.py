"""Grades out of the gradebook, as CSV that people and learning platforms read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from roadmap.grading.course import NbgraderCourse
from roadmap.grading.gradebook import ClassGradebook, Person

# A cell that begins so is a formula for a spreadsheet; a learner chooses their own name.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Scores = dict[str, dict[str, float]]  # assignment → learner → points
Line = Sequence[str]


def export(root: Path, assignments: Sequence[str], kind: str) -> str:
    """The grades of ``assignments`` (all of the gradebook, if none) as CSV text.

    ``kind`` is one of :data:`FORMATS`. Points include manual marks and late
    penalties; who has not handed in has an empty cell.

    Raises:
        UsageError: there is no such course or assignment.
        RoadmapError: the gradebook cannot be used.
    """
    course = NbgraderCourse(root)
    with ClassGradebook.open(course) as gradebook:
        known = gradebook.assignments()
        for name in assignments:
            if name not in known:
                raise course.no_such_assignment(name, known)
        names = list(assignments) or known
        scores = {name: gradebook.final_scores(name) for name in names}
        possible = {name: gradebook.max_score(name) for name in names}
        people = gradebook.people()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for line in FORMATS[kind](people, scores, possible):
        writer.writerow([_harmless(cell) for cell in line])
    return text.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _points(scores: Scores, student: str) -> list[str]:
    return [
        f"{points[student]:g}" if student in points else ""
        for points in scores.values()
    ]


def _plain(
    people: dict[str, Person], scores: Scores, possible: dict[str, float]
) -> Iterable[Line]:
    yield ["student", "last_name", "first_name", "email", *scores, "total", "of"]
    of = f"{sum(possible.values()):g}"
    for student, person in people.items():
        total = sum(points.get(student, 0.0) for points in scores.values())
        who = [person.last_name or "", person.first_name or "", person.email or ""]
        yield [student, *who, *_points(scores, student), f"{total:g}", of]


def _canvas(
    people: dict[str, Person], scores: Scores, possible: dict[str, float]
) -> Iterable[Line]:
    """Canvas matches people by their SIS login; its second line says what can be earned."""
    yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *scores]
    yield [
        "    Points Possible",
        "",
        "",
        "",
        "",
        *(f"{p:g}" for p in possible.values()),
    ]
    for student, person in people.items():
        name = person.name or student
        yield [name, "", "", student, "", *_points(scores, student)]


def _moodle(
    people: dict[str, Person], scores: Scores, possible: dict[str, float]
) -> Iterable[Line]:
    """Moodle's import asks which column says who it is: any of the first three can."""
    yield ["Username", "ID number", "Email address", *scores]
    for student, person in people.items():
        yield [student, student, person.email or "", *_points(scores, student)]


FORMATS: dict[
    str, Callable[[dict[str, Person], Scores, dict[str, float]], Iterable[Line]]
] = {"csv": _plain, "canvas": _canvas, "moodle": _moodle}
