"""A small course, its index in a folder, and a progress file of the test's own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from roadmap.lessons.index import Check, Course, Exercise, Lesson, Phase
from roadmap.lessons.mistakes import Mistakes
from roadmap.progress import Overview, ProgressStore
from roadmap.progress.records import Snapshot

CART_CHECK = "assert carts == 2, 'two carts'"


def check(
    name: str, points: float, source: str | None = None, hidden: int = 0
) -> Check:
    text = source or f"assert {name!r}"
    return Check(name, points, hashlib.sha256(text.encode()).hexdigest(), hidden)


def overview_of(course: Course, snapshot: Snapshot) -> Overview:
    """What is shown of ``snapshot`` on its tests' day, with no mistakes known."""
    return Overview.build(course, snapshot, Mistakes(), date(2026, 1, 1))


@pytest.fixture
def course() -> Course:
    carts = Exercise(
        "carts",
        "Two `carts`",
        (check("test-carts", 2, CART_CHECK, hidden=3), check("test-carts-edge", 1.5)),
    )
    alias = Exercise("alias", "Predict the alias", (check("test-alias", 1),))
    wait = Exercise("wait", "Wait for it", (check("test-wait", 1),))
    run = Exercise("run", "Run a cell", (check("test-run", 0),))
    return Course(
        (
            Phase(
                "start_here",
                "Start here",
                "",
                (Lesson("00_welcome", "Welcome", 20, (run,)),),
            ),
            Phase(
                "phase1_basics",
                "Phase 1: Mastering the Basics",
                "1 month",
                (
                    Lesson(
                        "01_values_and_names", "Values and names", 60, (carts, alias)
                    ),
                    Lesson("04_loops", "Loops", None, (wait,)),
                ),
            ),
            Phase("phase2_oop", "Phase 2: Object-Oriented Programming", "2 weeks", ()),
        )
    )


@pytest.fixture(autouse=True)
def progress_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a store without a path writes; the graders' variables are not set."""
    path = tmp_path / "data" / "progress.json"
    monkeypatch.setenv("ROADMAP_PROGRESS_FILE", str(path))
    monkeypatch.delenv("ROADMAP_PROGRESS", raising=False)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    return path


@pytest.fixture
def store(progress_file: Path) -> ProgressStore:
    return ProgressStore()


@pytest.fixture
def lesson_folder(
    tmp_path: Path, course: Course, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder of a phase beside ``start_here/course.json``, as a kernel's cwd."""
    index = tmp_path / "release" / "start_here" / "course.json"
    index.parent.mkdir(parents=True)
    index.write_text(course.to_json(), encoding="utf-8")
    folder = tmp_path / "release" / "phase1_basics"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """A real IPython shell that leaves this process's own alone."""
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    yield shell
    shell.run_line_magic("unload_ext", "roadmap")
