"""The real course, for tests of every lesson in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from roadmap.lessons import Course
from roadmap.lessons.answers import fill

ROOT = Path(__file__).parents[2]
COURSE = Course.find(ROOT / "release")
LESSONS = [
    (phase.name, lesson.name) for phase, lesson in COURSE.lessons() if lesson.exercises
]
PHASES = [phase.name for phase in COURSE.phases if phase.lessons]


def notebook(kind: str, phase: str, lesson: str) -> NotebookNode:
    """The instructor's (``source``) or the learner's (``release``) notebook."""
    return nbformat.read(ROOT / kind / phase / f"{lesson}.ipynb", as_version=4)


def make_class_folder(
    root: Path,
    phase: str,
    answers: dict[str, dict[str, dict[str, str]]],
    only: str | None = None,
) -> None:
    """A course directory with one phase, or with one lesson of it.

    ``answers`` is learner → lesson → exercise → code.
    """
    shutil.copy(ROOT / "nbgrader_config.py", root)
    shutil.copytree(ROOT / "source" / phase, root / "source" / phase)
    for learner, lessons in answers.items():
        folder = root / "submitted" / learner / phase
        shutil.copytree(ROOT / "release" / phase, folder)
        for lesson, codes in lessons.items():
            filled = fill(notebook("release", phase, lesson), codes)
            (folder / f"{lesson}.ipynb").write_text(nbformat.writes(filled))
    if only is not None:
        for path in root.glob(f"*/**/{phase}/*.ipynb"):
            if path.stem != only:
                path.unlink()


def nbgrader(root: Path, *arguments: str) -> None:
    """Run stock nbgrader in a course directory, with its own SQLite gradebook."""
    environment = {k: v for k, v in os.environ.items() if k != "ROADMAP_GRADEBOOK_URL"}
    # nbgrader starts `alembic` by its name.
    environment["PATH"] = (
        f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
