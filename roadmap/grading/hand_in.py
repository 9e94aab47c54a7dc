"""Hand in: a learner's notebooks of one assignment, in a form that nbgrader collects."""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbgrader.auth import Authenticator
from nbgrader.exchange import ExchangeFactory
from nbgrader.exchange.default import ExchangeSubmit

from roadmap.errors import RoadmapError, UsageError
from roadmap.grading.course import NbgraderCourse
from roadmap.grading.own_work import notebook, unanswered
from roadmap.grading.submission import InvalidNotebookError, read_notebook
from roadmap.lessons.index import Phase

FOLDER = "handed_in"
STUDENT = re.compile(r"\w[\w.@-]*")
# Digits alone, since nbgrader takes 2026-11-23-11-20-05 for four in the afternoon.
TIMESTAMP = "%Y%m%d%H%M%S"


@dataclass(frozen=True)
class HandedIn:
    """``place`` is the archive, or None where the exchange took it.

    ``to_do`` are the exercises without an answer, by lesson.
    """

    place: Path | None
    to_do: Mapping[str, int]


def hand_in(root: Path, work: Path, phase: Phase, student: str | None) -> HandedIn:
    """Give the notebooks of ``phase`` to the instructor.

    They go through nbgrader's exchange where the course has one, as ``student`` or
    the user of this account; otherwise into an archive for ``nbgrader zip_collect``
    in the copy's folder ``handed_in``. Nothing but the lessons' notebooks is taken.

    Raises:
        UsageError: the archive needs a student's id, or it is none.
        RoadmapError: notebooks are missing or cannot be read (a line for each), the
            exchange refuses, or the archive cannot be written.
    """
    if student is not None and not STUDENT.fullmatch(student):
        raise UsageError(
            f"--student {student}: an id is made of letters, digits, and _ . @ -"
        )
    files = {
        lesson.name: notebook(work, phase.name, lesson.name) for lesson in phase.lessons
    }
    texts = _read(phase.name, files)
    open_exercises = {
        name: len(unanswered(root, work, phase.name, name)) for name in files
    }
    course = NbgraderCourse(root)
    exchange = _exchange(course)
    place = None
    if exchange is not None:
        _submit(course, exchange, phase.name, student, texts)
    elif student is None:
        raise UsageError(
            "no student id: give the one that your instructor knows you by, "
            "e.g. --student ada"
        )
    else:
        place = _pack(work / FOLDER, phase.name, student, texts)
    return HandedIn(place, {name: n for name, n in open_exercises.items() if n})


def _read(assignment: str, files: Mapping[str, Path]) -> dict[str, bytes]:
    """The notebooks as they are, once all of them are known to be some."""
    texts, problems = {}, []
    for name, file in files.items():
        try:
            read_notebook(file)  # as the grader will
            texts[name] = file.read_bytes()
        except InvalidNotebookError as error:
            problems.append(f"{file}: {error}")
        except OSError as error:
            problems.append(f"{file}: {error.strerror}")
    if problems:
        problems.append(
            f"{assignment}: nothing is handed in; `roadmap start` brings back what is "
            "missing, and what cannot be read once it has another name"
        )
        raise RoadmapError("\n".join(problems))
    return texts


def _exchange(course: NbgraderCourse) -> ExchangeSubmit | None:
    """nbgrader's way of submitting, where the course has an exchange."""
    submit = ExchangeFactory(parent=course.app).Submit(
        coursedir=course.coursedir,
        authenticator=Authenticator(parent=course.app),
        parent=course.app,
    )
    if isinstance(submit, ExchangeSubmit):  # its default one, folders on this machine
        inbound = Path(submit.root, course.coursedir.course_id, "inbound")
        return submit if inbound.is_dir() else None
    return submit


def _submit(
    course: NbgraderCourse,
    exchange: ExchangeSubmit,
    assignment: str,
    student: str | None,
    texts: Mapping[str, bytes],
) -> None:
    with tempfile.TemporaryDirectory(prefix="roadmap-hand-in-") as stage:
        folder = Path(stage, assignment)
        if exchange.path_includes_course:
            folder = Path(stage, course.coursedir.course_id, assignment)
        folder.mkdir(parents=True)
        for name, text in texts.items():
            (folder / f"{name}.ipynb").write_bytes(text)
        exchange.assignment_dir = stage
        course.coursedir.assignment_id = assignment
        course.coursedir.student_id = student or "*"
        try:
            exchange.start()
        except Exception as error:  # any that an exchange, or a plugin of it, may raise
            said = " ".join(str(error).split()) or type(error).__name__
            raise RoadmapError(
                f"{assignment}: the exchange does not take it: {said}"
            ) from error


def _pack(
    folder: Path, assignment: str, student: str, texts: Mapping[str, bytes]
) -> Path:
    stamp = datetime.now(UTC).strftime(TIMESTAMP)
    stem = f"{assignment}_{student}_attempt_{stamp}"
    place = folder / f"{stem}.zip"
    temporary = folder / f".{place.name}.{os.getpid()}.tmp"
    try:
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in texts.items():
                archive.writestr(f"{stem}_{name}.ipynb", text)
        temporary.replace(place)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise RoadmapError(f"{place}: cannot be written: {error.strerror}") from error
    return place
