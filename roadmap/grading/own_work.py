"""A learner's own work, graded in full, hidden tests included."""

from __future__ import annotations

import shutil
import textwrap
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from roadmap.errors import RoadmapError, UsageError
from roadmap.grading.master import nbgrader
from roadmap.grading.private import make_private_course
from roadmap.grading.rows import Row
from roadmap.grading.run import grade
from roadmap.grading.sandbox import available
from roadmap.grading.submission import read_notebook
from roadmap.lessons.index import Lesson

FOLDER = Path(".roadmap", "check")
ME = "me"
# Nobody cheats themselves, so a second run would only cost time.
SETTINGS = "c.Grader.prove = False"


def check_own_work(
    root: Path,
    work: Path,
    lessons: Sequence[tuple[str, str]],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Row]:
    """Grade the (phase, lesson) notebooks of ``work``, a copy that `roadmap start` made.

    Lessons that are not there are left out. A notebook that has not changed since is
    not run again. ``on_progress`` hears (done, total) phases.

    Raises:
        UsageError: ``work`` has none of the lessons.
        RoadmapError: the course is not built, or a file cannot be written.
    """
    there = [pair for pair in lessons if notebook(work, *pair).is_file()]
    if not there:
        raise UsageError(
            f"{notebook(work, *lessons[0])}: not there; `roadmap start` brings it back, "
            "--work names another copy"
        )
    phases = list(dict.fromkeys(phase for phase, _ in there))
    rows: list[Row] = []
    for number, phase in enumerate(phases):
        on_progress(number, len(phases))
        names = [lesson for name, lesson in there if name == phase]
        rows += _check_phase(root, work, phase, names)
    on_progress(len(phases), len(phases))
    return rows


def _check_phase(
    root: Path, work: Path, phase: str, lessons: Iterable[str]
) -> list[Row]:
    # A place for each selection, so that what is unchanged is known again.
    chosen = sorted(lessons)
    place = root / FOLDER / phase / "-".join(name[:2] for name in chosen)
    make_private_course(root, place, phase, ("source",), "One's own work", SETTINGS)
    submitted = place / "submitted" / ME / phase
    try:
        for path in (place / "source" / phase).glob("*.ipynb"):
            if path.stem not in chosen:
                path.unlink()
        shutil.rmtree(submitted, ignore_errors=True)
        submitted.mkdir(parents=True)
        for name in chosen:
            shutil.copy(notebook(work, phase, name), submitted)
    except OSError as error:
        raise RoadmapError(f"{error.filename or place}: {error.strerror}") from error
    # One's own work needs no walls, but the sandbox's kernels start sooner.
    return grade(phase, place, sandbox=not available())


def notebook(work: Path, phase: str, lesson: str) -> Path:
    """Where a lesson's notebook is in a learner's copy."""
    return work / phase / f"{lesson}.ipynb"


def judged(row: Row) -> bool:
    """Whether the row tells something of the answers: the notebook could be read and run."""
    return row.status not in ("invalid", "missing", "error")


def unanswered(root: Path, work: Path, phase: str, lesson: str) -> set[str]:
    """The exercises whose answer cell is still as it was released, or is gone."""
    answers = _answers(notebook(work, phase, lesson))
    released = _answers(notebook(root / "release", phase, lesson))
    return {
        exercise
        for exercise, source in released.items()
        if answers.get(exercise, "").strip() in ("", source.strip())
    }


def _answers(path: Path) -> dict[str, str]:
    cells = read_notebook(path).cells
    return {
        nbgrader(cell).get("grade_id", ""): cell.source
        for cell in cells
        if nbgrader(cell).get("solution")
    }


def describe(
    lesson: Lesson, row: Row, file: Path, open_exercises: Collection[str]
) -> list[str]:
    """A lesson's result in words: points, then each exercise with what its checks say.

    ``file`` is the notebook, ``open_exercises`` are those without an answer. No line
    shows a hidden test, only its message.
    """
    lines = [
        f"{lesson.title}: {_points(row.score, row.max_score)} "
        f"({row.seconds:.1f} s, saved {_age(time.time() - file.stat().st_mtime)})"
    ]
    if row.message:
        lines.append(f"  {row.message}")
    if not judged(row):
        lines.append(
            f"  To begin anew, give {file} another name, then run `roadmap start`."
        )
    for exercise in lesson.exercises if judged(row) else ():
        cells = [row.cells[check.id] for check in exercise.checks]
        messages = list(dict.fromkeys(cell.message for cell in cells if cell.message))
        points = sum(cell.score or 0.0 for cell in cells)
        result = exercise.title
        if exercise.points:
            result += f": {points:g} of {exercise.points:g}"
        if messages and exercise.id in open_exercises:
            lines.append(f"  ○ {result}, no answer yet")
            continue
        lines.append(f"  {'✗' if messages else '✓'} {result}")
        lines += [textwrap.indent(message, "      ") for message in messages]
    return lines


def _points(score: float, max_score: float) -> str:
    return f"{score:g} of {max_score:g} points" if max_score else "for practice"


def _age(seconds: float) -> str:
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {name}{'s' if number > 1 else ''} ago"
    return "just now"
