"""A class of hostile learners with one honest neighbour, graded by the real command.

A case is a submission and all that is to become of it. The cases of a module are
graded together, once, in the sandbox; what is left of that is looked at afterwards.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from tiny_course import ADD, ANSWERS, DOUBLE, TinyCourse, exercise

EXERCISES = [
    exercise("first", "word = 'on'", "assert word == 'on', 'not on'", 1.0),
    ADD,
    DOUBLE,
    exercise(
        "refuse",
        "def refuse(n):\n    raise ValueError(n)",
        "import pytest\nwith pytest.raises(ValueError):\n    refuse(1)",
        1.0,
    ),
    exercise(
        "total",
        "def total(items):\n    return sum(items)",
        "from unittest import TestCase\n"
        "TestCase().assertEqual(total([1, 2, 3]), 6, 'total is wrong')",
        1.0,
    ),
    exercise("parts", "parts = 4", "0.25 * parts", 1.0),
    exercise(
        "near",
        "def near(x):\n    return x + 0.25",
        "points = 0\nfor given, expected in [(1, 1.25), (2, 2.25)]:\n"
        "    if abs(near(given) - expected) < 0.01:\n        points += 1\npoints",
        2.0,
    ),
    exercise("last", "end = 'off'", "assert end == 'off', 'not off'", 4.0),
]
RIGHT = {
    **ANSWERS,
    "first": "word = 'on'",
    "refuse": "def refuse(n):\n    raise ValueError(n)",
    "total": "def total(items):\n    return sum(items)",
    "parts": "parts = 4",
    "near": "def near(x):\n    return x + 0.25",
    "last": "end = 'off'",
}
FULL: dict[str, float] = {
    test.metadata.nbgrader.grade_id: test.metadata.nbgrader.points
    for _, test in EXERCISES
}
NONE = dict.fromkeys(FULL, 0.0)
NEIGHBOUR = "neighbour"
SECRET = (
    "the-secret-word"  # in the neighbour's work, the source, the grader's environment
)
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


def without(*names: str) -> dict[str, float]:
    """Full marks but for some exercises."""
    return {key: 0.0 if key[5:] in names else mark for key, mark in FULL.items()}


def only_before(name: str) -> dict[str, float]:
    """Full marks up to an exercise, and none from it on."""
    names = [key[5:] for key in FULL]
    return without(*names[names.index(name) :])


@dataclass(frozen=True)
class Case:
    """A submission, and what is to become of it.

    ``answers`` stand in place of the right ones, ``change`` edits the notebook, ``files``
    puts files into the folder handed in or spoils them. ``says`` are fragments of
    messages: a check's by its grade id, the row's under ``row``. ``kept`` is what is
    in the autograded folder afterwards.
    """

    name: str
    status: str
    scores: Mapping[str, float]
    answers: Mapping[str, str] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[NotebookNode], object] | None = None
    files: Callable[[Path], object] | None = None
    kept: tuple[str, ...] = ("p1.ipynb", "notes.txt")

    def __str__(self) -> str:
        return self.name

    @property
    def student(self) -> str:
        """The learner who hands it in."""
        return re.sub(r"[^\w.]+", "-", self.name)


@dataclass(frozen=True)
class Graded:
    """The graded class: its course directory, rows by learner, and what is wrong with the rest."""

    root: Path
    rows: dict[str, list[dict[str, Any]]] = field(repr=False)
    traces: list[str] = field(repr=False)

    def faults(self, case: Case) -> list[str]:
        """In what the engine's verdict on ``case`` differs from the expected one."""
        row = self.row(case.student)
        scores = {name: cell["score"] for name, cell in row["cells"].items()}
        faults = []
        if (row["status"], scores) != (case.status, case.scores):
            faults.append(f"{row['status']} {scores}, not {case.status} {case.scores}")
        for name, fragment in case.says.items():
            said = row["message"] if name == "row" else row["cells"][name]["message"]
            if fragment not in str(said):
                faults.append(f"{name} says {said!r}, not {fragment!r}")
        if faults:
            faults.append(f"the row: {row}")
        return faults + self._files(case)

    def row(self, student: str) -> dict[str, Any]:
        """The row of a learner's notebook ``p1``."""
        return next(row for row in self.rows[student] if row["notebook"] == "p1")

    def _files(self, case: Case) -> list[str]:
        folder = self.root / "autograded" / case.student / "ps1"
        found = sorted(
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if not path.is_dir()
        )
        if found == sorted(case.kept):
            return []
        return [f"left in autograded: {found}, not {sorted(case.kept)}"]

    def notebook(self, case: Case) -> str:
        """The notebook that was left, as text."""
        path = self.root / "autograded" / case.student / "ps1" / "p1.ipynb"
        return path.read_text(encoding="utf-8")

    def neighbours(self) -> tuple[str, dict[str, float]]:
        """Status and marks of the one who did nothing wrong."""
        row = self.row(NEIGHBOUR)
        return row["status"], {name: c["score"] for name, c in row["cells"].items()}


def graded_together(
    shared: Path,
    gradebook: Path,
    name: str,
    cases: Sequence[Case],
    settings: str = "",
    hidden: Mapping[str, str] | None = None,
    words: Mapping[str, str] | None = None,
) -> Graded:
    """Grade ``cases`` and the neighbour, once for all of xdist's processes.

    ``settings`` are lines for nbgrader_config.py; ``hidden`` is added to the
    grader's environment; ``words`` are put in place of their names in answers, beside
    THE_ROOT for the course directory.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    saved = shared / f"{name}.json"
    with FileLock(shared / f"{name}.lock"):
        if not saved.exists():
            course = TinyCourse(shared / name)
            shutil.copy(gradebook, course.root)
            _hand_in(course, cases, {"THE_ROOT": str(course.root), **(words or {})})
            course.configure(settings)
            saved.write_text(json.dumps(_grade(course, cases, hidden or {})))
    data = json.loads(saved.read_text())
    return Graded(shared / name, data["rows"], data["traces"])


def _grade(
    course: TinyCourse, cases: Sequence[Case], hidden: Mapping[str, str]
) -> dict[str, object]:
    before = _contents(course.root)
    with (
        _everything_seen_to_end() as left_running,
        tempfile.TemporaryDirectory(prefix="cases-") as scratch,
    ):
        rows = _command(course.root, Path(scratch), hidden)
        traces = [f"left in TMPDIR: {path.name}" for path in Path(scratch).iterdir()]
    traces += [f"still running: {process}" for process in left_running]
    traces += _changes(before, _contents(course.root))
    traces += _strangers(course.root, cases)
    traces += _gradebook_faults(course.root, rows)
    return {"rows": rows, "traces": traces}


def _hand_in(
    course: TinyCourse, cases: Sequence[Case], words: Mapping[str, str]
) -> None:
    course.source("p1", *[cell for pair in EXERCISES for cell in pair])
    (course.root / "source" / "ps1" / "notes.txt").write_text("from the source")
    course.hand_in(NEIGHBOUR, RIGHT | {"first": f"word = 'on'  # {SECRET}"})
    for case in cases:
        answers = dict(case.answers)
        for name, word in words.items():
            answers = {key: text.replace(name, word) for key, text in answers.items()}
        course.hand_in(case.student, RIGHT | answers, change=case.change)
        if case.files:
            case.files(course.folder(case.student))


def _command(
    root: Path, scratch: Path, hidden: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """Rows of ``roadmap grade`` by learner."""
    grades = root / "grades.json"
    command = ["-m", "roadmap.cli", "grade", "ps1", "--root", root, "--json", grades]
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **hidden, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in json.loads(grades.read_text()):
        rows.setdefault(row["student"], []).append(row)
    grades.unlink()
    return rows


@contextmanager
def _everything_seen_to_end() -> Iterator[list[str]]:
    """What is orphaned falls to this process; the list gets what still runs at the end."""
    libc = ctypes.CDLL(None)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    left: list[str] = []
    libc.prctl(SUBREAPER, 1, 0, 0, 0)
    try:
        yield left
        below = psutil.Process().children(recursive=True)
        ours = [child for child in below if child.pid not in before]
        _, alive = psutil.wait_procs(ours, timeout=5)
        left.extend(map(str, alive))
    finally:
        libc.prctl(SUBREAPER, 0, 0, 0, 0)


def _contents(root: Path) -> dict[str, str]:
    """Digest of every file that grading has no business with, and the places of links."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] in ("autograded", ".roadmap", "gradebook.db"):
            continue
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder or device"
    return found


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    names = {*before, *after}
    return [
        f"changed: {name}"
        for name in sorted(names)
        if before.get(name) != after.get(name)
    ]


def _strangers(root: Path, cases: Sequence[Case]) -> list[str]:
    """Whatever lies in the folders of the grader and belongs to nobody."""
    students = {NEIGHBOUR, *(case.student for case in cases)}
    state = root / ".roadmap"
    expected = {
        *(root / "autograded" / student for student in students),
        *(root / "autograded" / student / "ps1" for student in students),
        *(state / "graded" / "ps1" / f"{student}.json" for student in students),
        *(state / step for step in ("graded", "graded/ps1", "master", "twins")),
        *(state / file for file in ("graded/ps1.lock", "master/ps1.json", "twins/ps1.json")),
    }  # fmt: skip
    found = {*state.rglob("*"), *(root / "autograded").glob("*")}
    found |= set((root / "autograded").glob("*/*"))
    return [f"a stranger: {path}" for path in sorted(found - expected)]


def _gradebook_faults(
    root: Path, rows: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[str]:
    """Where the gradebook holds other marks than the rows tell."""
    told = {
        (student, row["notebook"], name): cell["score"]
        for student, rows_ in rows.items()
        for row in rows_
        for name, cell in row["cells"].items()
    }
    with Gradebook(f"sqlite:///{root}/gradebook.db", "tiny") as book:
        kept = {
            (submission.student_id, notebook.name, grade.name): grade.score
            for submission in book.assignment_submissions("ps1")
            for notebook in submission.notebooks
            for grade in notebook.grades
        }
    return [
        f"gradebook: {key}: {kept.get(key)}, not {told.get(key)}"
        for key in sorted({*kept, *told})
        if kept.get(key) != told.get(key)
    ]
