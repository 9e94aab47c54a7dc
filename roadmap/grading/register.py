"""Have the assignment in the gradebook as its source is now, and know its master version."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader.converters import GenerateAssignment

from roadmap.errors import RoadmapError
from roadmap.grading.course import CONFIG, NbgraderCourse
from roadmap.grading.gradebook import ClassGradebook, database_errors
from roadmap.grading.master import MasterNotebook
from roadmap.grading.rows import write_text

SCHEMA = 4


@dataclass(frozen=True)
class Master:
    """The assignment: its notebooks by name, and the SHA-256 of them all."""

    assignment: str
    notebooks: dict[str, MasterNotebook]
    digest: str


def load_master(
    course: NbgraderCourse, assignment: str, gradebook: ClassGradebook
) -> Master:
    """The registered assignment; from its source, if that is new or has changed.

    Without a source folder the gradebook alone says what the assignment is.

    Raises:
        UsageError: neither the source nor the gradebook has the assignment.
        RoadmapError: nbgrader refuses to register the source.
    """
    source = course.source(assignment)
    registered = gradebook.notebooks(assignment)
    if not any(source.glob("*.ipynb")):
        if not registered:
            raise course.no_such_assignment(assignment, gradebook.assignments())
        notebooks = [gradebook.master(assignment, name, None) for name in registered]
        return _master(assignment, notebooks)
    record = course.state("master", f"{assignment}.json")
    digest = _source_digest(course, source)
    known = _read_record(record, digest)
    if known is not None and {nb.name for nb in known} == set(registered):
        return _master(assignment, known)
    notebooks = _register(course, assignment, gradebook)
    data = {
        "digest": digest,
        "notebooks": [notebook.to_dict() for notebook in notebooks],
    }
    write_text(record, json.dumps(data))
    return _master(assignment, notebooks)


def _master(assignment: str, notebooks: list[MasterNotebook]) -> Master:
    text = json.dumps([notebook.to_dict() for notebook in notebooks], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Master(
        assignment, {notebook.name: notebook for notebook in notebooks}, digest
    )


def _source_digest(course: NbgraderCourse, source: Path) -> str:
    """SHA-256 of what the registered assignment is made from."""
    total = hashlib.sha256(f"{SCHEMA} {course.coursedir.db_url}".encode())
    for path in (course.root / CONFIG, *sorted(source.glob("*.ipynb"))):
        total.update(
            f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode()
        )
    return total.hexdigest()


def _read_record(path: Path, digest: str) -> list[MasterNotebook] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["digest"] != digest:
            return None
        return [MasterNotebook.from_dict(nb) for nb in data["notebooks"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not written yet, or by another version: it is made anew


def _register(
    course: NbgraderCourse, assignment: str, gradebook: ClassGradebook
) -> list[MasterNotebook]:
    """nbgrader's generate_assignment, but what it would release goes to a temporary folder."""

    class Register(GenerateAssignment):  # type: ignore[misc]
        @property
        def _output_directory(self) -> str:
            return folder

    with tempfile.TemporaryDirectory(prefix="roadmap-register-") as folder:
        course.coursedir.assignment_id = assignment
        converter = Register(coursedir=course.coursedir, parent=course.app)
        before = Path.cwd()
        try:
            with database_errors(course):
                converter.start()
        except RoadmapError:
            raise
        except (Exception, SystemExit) as error:
            raise RoadmapError(_refusal(course, assignment, error)) from error
        finally:
            os.chdir(before)
        release = course.folder(folder, ".", assignment)
        return [
            gradebook.master(
                assignment, path.stem, nbformat.read(path, as_version=4).cells
            )
            for path in sorted(release.glob("*.ipynb"))
        ]


def _refusal(course: NbgraderCourse, assignment: str, error: BaseException) -> str:
    source = course.source(assignment)
    said = course.tail()
    if any("submissions associated" in line for line in said):
        return (
            f"{source}: cells or notebooks were added or removed after submissions were graded, "
            "which nbgrader's gradebook cannot take; put the source back, or forget the marks "
            f"with `nbgrader db assignment remove {assignment} --force` and grade again"
        )
    # nbgrader logs the whole traceback; what it says first is nearest to the cause.
    causes = (re.match(r"[\w.]*Error: (.+)", line) for line in said)
    detail = next((cause[1] for cause in causes if cause), str(error))
    return f"{source}: nbgrader cannot register this assignment: {detail}"
