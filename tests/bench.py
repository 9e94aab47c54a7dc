"""``make bench``: figures from one run, and their ratios. Nothing here is asserted."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel
from nbformat import v4
from nbgrader.api import Gradebook

from roadmap.grading.course import NbgraderCourse
from roadmap.grading.kernel import execute
from roadmap.grading.sandbox import ForkServer
from roadmap.lessons.answers import references
from roadmap.lessons.files import read_tree

from .course.conftest import LESSONS as LESSONS_OF_COURSE
from .course.conftest import make_class_folder, notebook

ROOT = Path(__file__).parents[1]
LESSONS = 50
LEARNERS = 5
SIZES = (10, 100, 1000)
PHASE = "phase1_basics"
PYTHON = [sys.executable, "-m"]
ROADMAP = [*PYTHON, "roadmap.cli"]
CORES = os.cpu_count() or 1
ALL_WORKERS = f"{CORES} workers"
# The first run grades the instructor's references too, once a change of the assignment.
GRADE = {
    name: [*ROADMAP, "grade", PHASE, "--force", "--workers", str(number)]
    for name, number in (("first run", CORES), ("1 worker", 1), (ALL_WORKERS, CORES))
}


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
            make_class_folder(root, PHASE, handed_in(LEARNERS))
            seconds([*PYTHON, "nbgrader", "generate_assignment", PHASE], root)
        plain = seconds([*PYTHON, "nbgrader", "autograde", PHASE], stock)
        took = {name: seconds(command, ours) for name, command in GRADE.items()}
        again = seconds([*ROADMAP, "grade", PHASE], ours)
        same = marks(stock) == marks(ours)
        run_twice(ours)
        proved = seconds(GRADE[ALL_WORKERS], ours)
    print(
        f"grade, {LEARNERS} submissions of {PHASE}, {len(lessons())} notebooks each, "
        f"same marks: {same}"
    )
    rows = {"nbgrader autograde": plain, **took, "all run with twins": proved}
    for name, wall in rows.items():
        rate, ratio = LEARNERS / wall * 60, plain / wall
        print(f"  {name:20}{wall:7.1f} s {rate:6.0f} a minute {ratio:6.1f} times stock")
    print(f"  {'nothing to do':20}{again:7.1f} s, which is what it takes to start")


def bench_notebook() -> None:
    """A notebook in a new sandbox, beside its cells in a kernel that runs already."""
    nb = notebook("source", PHASE, lessons()[-1])
    sources = [cell.source for cell in nb.cells if cell.cell_type == "code"]
    manager, client = start_new_kernel()
    try:
        started = time.perf_counter()
        for source in sources:
            client.execute_interactive(source, output_hook=lambda message: None)
        live = time.perf_counter() - started
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    with ForkServer() as server, tempfile.TemporaryDirectory() as folder:
        settings = replace(
            NbgraderCourse(ROOT).execute_settings(), sandbox=server.address
        )

        def once() -> float:
            started = time.perf_counter()
            execute(nb, Path(folder), Path(folder), settings, lambda *_: None)
            return time.perf_counter() - started

        once()  # until now the server was importing
        ours = min(once() for _ in range(3))
    print(
        f"one notebook of {len(sources)} code cells: {ours:.2f} s in a new sandbox, "
        f"{live:.2f} s in a kernel that runs already, {ours / live:.1f} times"
    )


def bench_growth() -> None:
    """Time and memory for each submission of small classes and of large ones."""
    phase, lesson = "start_here", "00_welcome"
    right = references(notebook("source", phase, lesson))
    print("growth, a notebook with 3 exercises from each learner")
    for number in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            learners = {f"learner{n}": {lesson: right} for n in range(number)}
            make_class_folder(root, phase, learners)
            wall, memory = measured([*ROADMAP, "grade", phase], root)
        print(
            f"  {number:5} submissions {wall:7.1f} s {wall / number * 1000:6.0f} ms each, "
            f"largest process {memory / 2**20:.0f} MiB"
        )


def measured(command: list[str], folder: Path) -> tuple[float, int]:
    """Seconds, and bytes of the largest process that the command waited for, or itself."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - started, usage.ru_maxrss * 1024


def lessons() -> list[str]:
    return [lesson for phase, lesson in LESSONS_OF_COURSE if phase == PHASE]


def handed_in(number: int) -> dict[str, dict[str, dict[str, str]]]:
    """Half of the learners answer everything, the others nothing after the first half."""
    right = {name: references(notebook("source", PHASE, name)) for name in lessons()}
    half = {name: dict(list(a.items())[: len(a) // 2]) for name, a in right.items()}
    return {f"learner{n}": right if n % 2 else half for n in range(number)}


def run_twice(root: Path) -> None:
    """Put code that could forge into every notebook handed in."""
    for path in root.glob(f"submitted/*/{PHASE}/*.ipynb"):
        nb = nbformat.read(path, as_version=4)
        nb.cells.insert(0, v4.new_code_cell("import gc"))
        nbformat.write(nb, path)


def marks(root: Path) -> dict[str, float]:
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        submissions = gradebook.assignment_submissions(PHASE)
        return {submission.student_id: submission.score for submission in submissions}


if __name__ == "__main__":
    bench_build()
    bench_notebook()
    bench_grading()
    bench_growth()
