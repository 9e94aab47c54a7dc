"""The one writer of nbgrader's gradebook."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nbformat import v4
from nbgrader.api import (
    Assignment,
    BaseCell,
    Gradebook,
    InvalidEntry,
    MissingEntry,
    Notebook,
    SubmittedNotebook,
)
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import selectinload

from roadmap.errors import RoadmapError
from roadmap.grading.course import NbgraderCourse
from roadmap.grading.master import Cell, MasterNotebook, is_answer, is_check
from roadmap.grading.proof.innocent import vocabulary
from roadmap.grading.rows import Row
from roadmap.grading.verdict import NO_RESPONSE

# nbgrader logs a database error before it raises it; the error is ours to tell.
logging.getLogger("tornado.application").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Person:
    """What the gradebook knows of a learner beside the id; each may be missing."""

    first_name: str | None
    last_name: str | None
    email: str | None

    @property
    def name(self) -> str:
        """As lists of people have it: last name first."""
        return ", ".join(filter(None, (self.last_name, self.first_name)))


@dataclass(frozen=True)
class Mark:
    """A graded cell's points.

    ``automatic`` are those that its checks gave, if any did; ``awaited`` tells that a
    person has yet to give some, ``by_hand`` that one did.
    """

    score: float
    automatic: float | None
    max_score: float
    awaited: bool
    by_hand: bool


@dataclass(frozen=True)
class NotebookMarks:
    """What a learner is told of one notebook; marks and comments are by grade id.

    ``score`` is before ``late_penalty``, both in points.
    """

    name: str
    score: float
    max_score: float
    late_penalty: float
    cells: Mapping[str, Mark]
    comments: Mapping[str, str]


class ClassGradebook:
    """An open gradebook; use it from one thread.

    Every method raises RoadmapError when the database cannot be used.
    """

    def __init__(self, course: NbgraderCourse, db: Gradebook) -> None:
        self._course = course
        self._db = db

    @classmethod
    @contextmanager
    def open(cls, course: NbgraderCourse) -> Iterator[ClassGradebook]:
        """Open the course's gradebook; make it if there is none.

        Raises:
            RoadmapError: it cannot be reached or is locked.
        """
        with database_errors(course):
            db = _open(course)
        try:
            yield cls(course, db)
        finally:
            db.close()

    def assignments(self) -> list[str]:
        with database_errors(self._course):
            return [assignment.name for assignment in self._db.assignments]

    def notebooks(self, assignment: str) -> list[str]:
        """Names of the assignment's notebooks; none when it is not registered."""
        with database_errors(self._course):
            try:
                return [
                    nb.name for nb in self._db.find_assignment(assignment).notebooks
                ]
            except MissingEntry:
                return []

    def students(self, assignment: str) -> set[str]:
        """Who has a submission of ``assignment`` in the gradebook."""
        with database_errors(self._course):
            submissions = self._db.assignment_submissions(assignment)
            return {submission.student_id for submission in submissions}

    def max_score(self, assignment: str) -> float:
        """Points that the assignment can earn."""
        with database_errors(self._course):
            return float(self._db.find_assignment(assignment).max_score)

    def final_scores(self, assignment: str) -> dict[str, float]:
        """Each learner's points, manual marks and late penalties included."""
        with database_errors(self._course):
            return {
                submission.student_id: max(
                    0.0, submission.score - submission.late_submission_penalty
                )
                for submission in self._db.assignment_submissions(assignment)
            }

    def marks(self, assignment: str, student: str) -> list[NotebookMarks]:
        """A submission's marks, notebooks in order of their names; none if it has none."""
        with database_errors(self._course):
            try:
                submission = self._db.find_submission(assignment, student)
            except MissingEntry:
                return []
            notebooks = [_marks(notebook) for notebook in submission.notebooks]
        return sorted(notebooks, key=lambda notebook: notebook.name)

    def people(self) -> dict[str, Person]:
        """Everybody in the gradebook by id, in order of ids."""
        with database_errors(self._course):
            found = {
                student.id: Person(student.first_name, student.last_name, student.email)
                for student in self._db.students
            }
        return dict(sorted(found.items()))

    def master(
        self, assignment: str, name: str, released: Sequence[Mapping[str, Any]] | None
    ) -> MasterNotebook:
        """A notebook as it is registered, in the order of its ``released`` version.

        Without that, in the order in which its cells were registered.
        """
        with database_errors(self._course):
            self._db.db.rollback()  # another connection may have registered it just now
            notebook = self._db.find_notebook(name, assignment)
            kernelspec = json.loads(notebook.kernelspec or "{}")
            cells = {
                cell["metadata"]["nbgrader"]["grade_id"]: cell
                for cell in _cells(notebook)
            }
        if released is None:
            return MasterNotebook(name, kernelspec, tuple(cells.values()))
        ordered = []
        for cell in released:
            grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
            if grade_id in cells:
                # The gradebook has the hidden tests; the released cell the rest.
                mine = cells[grade_id]
                meta = {**cell["metadata"], "nbgrader": mine["metadata"]["nbgrader"]}
                ordered.append({**cell, "metadata": meta, "source": mine["source"]})
            else:
                ordered.append({"id": cell.get("id")})
        cells_of_code = [cell for cell in released if cell["cell_type"] == "code"]
        words = vocabulary(
            _sources(cell for cell in cells_of_code if not is_check(cell)),
            _sources(cell for cell in cells_of_code if is_answer(cell)),
            _sources(cell for cell in cells.values() if is_check(cell)),
        )
        code = _sources(cells_of_code)
        return MasterNotebook(name, kernelspec, tuple(ordered), code, words)

    def write(
        self,
        assignment: str,
        student: str,
        timestamp: datetime | None,
        rows: Sequence[Row],
        unanswered: Mapping[str, Sequence[str]],
    ) -> None:
        """Write one submission's marks in one transaction, as nbgrader's SaveAutoGrades does.

        Marks and comments given by hand stay. ``unanswered`` are the answer cells
        left as they were released, by notebook.

        Raises:
            RoadmapError: the database cannot be used; no mark of these was written.
        """
        by_name = {row.notebook: row for row in rows}
        with database_errors(self._course, self._db):
            self._db.update_or_create_student(student)
            # Or each question that nbgrader has while it makes one would write half of it.
            with self._db.db.no_autoflush:
                submission = self._db.update_or_create_submission(
                    assignment, student, timestamp=timestamp
                )
            # In sight, so that no mark needs a query of its own, nor its cell or its notebook.
            cells = (
                self._db.db.query(BaseCell)
                .join(Notebook)
                .join(Assignment)
                .filter(Assignment.name == assignment)
                .all()
            )
            notebooks = (
                self._db.db.query(SubmittedNotebook)
                .options(
                    selectinload(SubmittedNotebook.grades),
                    selectinload(SubmittedNotebook.comments),
                )
                .filter(SubmittedNotebook.assignment_id == submission.id)
                .all()
            )
            with self._db.db.no_autoflush:
                for notebook in notebooks:
                    row = by_name[notebook.name]
                    _write_notebook(notebook, row, unanswered.get(notebook.name, ()))
                    notebook.late_submission_penalty = None
            del cells
            self._db.db.commit()
            if submission.total_seconds_late > 0:
                for name in [notebook.name for notebook in submission.notebooks]:
                    self._penalize(assignment, student, name)

    def _penalize(self, assignment: str, student: str, notebook: str) -> None:
        resources = {
            "student": student,
            "assignment": assignment,
            "notebook": notebook,
            "db_url": self._course.coursedir.db_url,
        }
        # The session must not hold a read lock while nbgrader's writes.
        self._db.db.rollback()
        preprocessor = AssignLatePenalties(parent=self._course.app)
        preprocessor.preprocess(v4.new_notebook(), {"nbgrader": resources})


def _sources(cells: Iterable[Cell]) -> tuple[str, ...]:
    return tuple(cell["source"] for cell in cells)


def _marks(notebook: Any) -> NotebookMarks:
    marks = {
        grade.name: Mark(
            float(grade.score),
            grade.auto_score,
            float(grade.max_score),
            awaited=grade.needs_manual_grade and grade.manual_score is None,
            by_hand=grade.manual_score is not None,
        )
        for grade in notebook.grades
    }
    return NotebookMarks(
        notebook.name,
        float(notebook.score),
        float(notebook.max_score),
        float(notebook.late_submission_penalty or 0),
        marks,
        {c.name: c.comment for c in notebook.comments if c.comment},
    )


def _write_notebook(notebook: Any, row: Row, unanswered: Sequence[str]) -> None:
    for grade in notebook.grades:
        score = row.cells[grade.name].score
        grade.auto_score = score
        grade.needs_manual_grade = grade.manual_score is not None or score is None
    for comment in notebook.comments:
        comment.auto_comment = NO_RESPONSE if comment.name in unanswered else None


def _cells(notebook: Any) -> Iterator[dict[str, Any]]:
    """The registered cells as notebook cells with nbgrader's metadata, schema 3."""
    grades = {cell.name: cell.max_score for cell in notebook.grade_cells}
    tasks = {cell.name: cell.max_score for cell in notebook.task_cells}
    solutions = {cell.name for cell in notebook.solution_cells}
    for source in notebook.source_cells:
        meta: dict[str, Any] = {
            "schema_version": 3,
            "grade_id": source.name,
            "grade": source.name in grades,
            "solution": source.name in solutions,
            "task": source.name in tasks,
            "locked": source.locked,
            "checksum": source.checksum,
            "cell_type": source.cell_type,
        }
        points = {**grades, **tasks}.get(source.name)
        if points is not None:
            meta["points"] = points
        yield {
            "cell_type": source.cell_type,
            "metadata": {"nbgrader": meta},
            "source": source.source,
        }


@contextmanager
def database_errors(
    course: NbgraderCourse, db: Gradebook | None = None
) -> Iterator[None]:
    """Turn the database's errors into one line; roll ``db`` back."""
    try:
        yield
    except (SQLAlchemyError, InvalidEntry, ImportError) as error:
        if db is not None:
            db.db.rollback()
        # A query can hold a password, too.
        shown = make_url(course.coursedir.db_url).set(query={})
        url = shown.render_as_string(hide_password=True)
        detail = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise RoadmapError(
            f"{url}: the gradebook cannot be used: {detail}; see that it is there and that "
            "nothing else holds it, then give the command again: what is graded is kept"
        ) from error


def _open(course: NbgraderCourse) -> Gradebook:
    # For a new gradebook nbgrader runs `alembic`, which is beside this Python even
    # when its environment is not activated.
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        return Gradebook(course.coursedir.db_url, course.coursedir.course_id)
    finally:
        os.environ["PATH"] = before
