"""The file of mistakes, kept in line with what the checks say of the wrong answers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from roadmap.audit.store import write
from roadmap.audit.verdicts import LessonAudit
from roadmap.errors import RoadmapError
from roadmap.lessons.files import COURSE
from roadmap.lessons.index import Course
from roadmap.lessons.mistakes import MISTAKES_FILE, Mistakes


def renew_mistakes(root: Path, course: Course, lessons: Iterable[LessonAudit]) -> bool:
    """Bring ``course/start_here/mistakes.json`` in line with what the audit has seen.

    Exercises that were not audited keep what is there; those that ``course`` no longer
    has are dropped.

    Returns:
        Whether it had to be written, so that the course needs a build.

    Raises:
        RoadmapError: the file is there and cannot be understood, or cannot be written.
    """
    path = root / COURSE / MISTAKES_FILE
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    after = renewed(before, course, lessons, path)
    if after != before:
        write(path, after)
    return after != before


def renewed(
    before: str, course: Course, lessons: Iterable[LessonAudit], path: Path
) -> str:
    """The file's text as it should be; ``path`` is for the error message."""
    try:
        old = Mistakes.from_json(before) if before else Mistakes()
    except ValueError as error:
        raise RoadmapError(f"{path}: {error}; delete it and audit again") from error
    seen = {
        one.exercise: one.mistakes for lesson in lessons for one in lesson.exercises
    }
    there = {
        exercise.id for _, lesson in course.lessons() for exercise in lesson.exercises
    }
    both = {**old.by_exercise, **seen}
    return Mistakes({id: both[id] for id in both if id in there}).to_json()
