"""``make bench``: figures from one run, and their ratios. Nothing here is asserted."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nbgrader.api import Gradebook

from roadmap.lessons.answers import references
from roadmap.lessons.files import read_tree

from .course.conftest import LESSONS as LESSONS_OF_COURSE
from .course.conftest import make_class_folder, notebook

ROOT = Path(__file__).parents[1]
LESSONS = 50
LEARNERS = 10
PHASE = "phase1_basics"
PYTHON = [sys.executable, "-m"]


def seconds(command: list[str], folder: Path) -> float:
    started = time.perf_counter()
    # nbgrader starts `alembic` by its name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}
    subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True
    )
    return time.perf_counter() - started


def bench_build() -> None:
    """A full, a one-lesson and a no-op build of many copies of a real lesson."""
    lesson = (ROOT / "course/phase1_basics/09_mutable_or_not.md").read_text()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(LESSONS):
            path = root / "course" / f"phase{number % 5}_copy" / f"{number:02}_copy.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(lesson.replace('="mutable-', f'="copy{number}-'))
        command = [sys.executable, "-m", "roadmap.cli", "build"]
        full = seconds(command, root)
        path.write_text(path.read_text() + "\nOne more sentence.\n")
        one = seconds(command, root)
        no_op = seconds(command, root)
        check = seconds([*command, "--check"], root)
        files = len(read_tree(root, ("source", "release")))
    print(
        f"build, {LESSONS} lessons of {len(lesson.splitlines())} lines, {files} files made"
    )
    print(f"  full              {full:6.2f} s  {full / LESSONS * 1000:.0f} ms a lesson")
    print(f"  one lesson        {one:6.2f} s  {full / one:.0f} times faster than full")
    print(
        f"  nothing to do     {no_op:6.2f} s  {full / no_op:.0f} times faster than full"
    )
    print(f"  --check           {check:6.2f} s")


def bench_grading() -> None:
    """One class, graded by nbgrader's own command and by ours, with the same marks."""
    with tempfile.TemporaryDirectory() as folder:
        stock, ours = Path(folder, "stock"), Path(folder, "ours")
        for root in (stock, ours):
            root.mkdir()
            make_class_folder(root, PHASE, handed_in())
            seconds([*PYTHON, "nbgrader", "generate_assignment", PHASE], root)
        plain = seconds([*PYTHON, "nbgrader", "autograde", PHASE], stock)
        command = [*PYTHON, "roadmap.cli", "grade", PHASE, "--force", "--workers"]
        one = seconds([*command, "1"], ours)
        all_ = seconds([*command, str(os.cpu_count() or 1)], ours)
        again = seconds([*PYTHON, "roadmap.cli", "grade", PHASE], ours)
        same = marks(stock) == marks(ours)
    print(f"grade, {LEARNERS} submissions of {PHASE}, same marks: {same}")
    for name, took in (("nbgrader autograde", plain), ("1 worker", one)):
        print(f"  {name:18}{took:6.1f} s  {LEARNERS / took * 60:5.0f} a minute")
    print(
        f"  {os.cpu_count()} workers         {all_:6.1f} s  {LEARNERS / all_ * 60:5.0f} a minute"
    )
    print(f"  nothing to do     {again:6.1f} s")
    print(f"  faster than nbgrader: {plain / one:.1f} times, {plain / all_:.1f} times")


def handed_in() -> dict[str, dict[str, dict[str, str]]]:
    """Half of the learners answer everything, the others nothing after the first half."""
    lessons = [lesson for phase, lesson in LESSONS_OF_COURSE if phase == PHASE]
    right = {name: references(notebook("source", PHASE, name)) for name in lessons}
    half = {name: dict(list(a.items())[: len(a) // 2]) for name, a in right.items()}
    return {f"learner{n}": right if n % 2 else half for n in range(LEARNERS)}


def marks(root: Path) -> dict[str, float]:
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        submissions = gradebook.assignment_submissions(PHASE)
        return {submission.student_id: submission.score for submission in submissions}


if __name__ == "__main__":
    bench_build()
    bench_grading()
