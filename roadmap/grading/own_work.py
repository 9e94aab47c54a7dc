"""A learner's own work, graded in full, hidden tests included."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from roadmap.errors import RoadmapError, UsageError
from roadmap.grading.private import make_private_course
from roadmap.grading.rows import Row
from roadmap.grading.run import grade
from roadmap.grading.sandbox import available

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

    A notebook that has not changed since is not run again. ``on_progress`` hears
    (done, total) phases.

    Raises:
        UsageError: ``work`` has none of the lessons.
        RoadmapError: the course is not built, or a file cannot be written.
    """
    there = [pair for pair in lessons if _notebook(work, *pair).is_file()]
    if not there:
        raise UsageError(
            f"{work}: none of these lessons is here; run `roadmap start` first, or name "
            "your folder with --work"
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
            shutil.copy(_notebook(work, phase, name), submitted)
    except OSError as error:
        raise RoadmapError(f"{error.filename or place}: {error.strerror}") from error
    # One's own work needs no walls, but the sandbox's kernels start sooner.
    return grade(phase, place, sandbox=not available())


def _notebook(folder: Path, phase: str, lesson: str) -> Path:
    return folder / phase / f"{lesson}.ipynb"
