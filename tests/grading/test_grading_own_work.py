"""`roadmap check`: one's own work, hidden tests included; the checklist is ticked."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from roadmap.cli import main
from roadmap.lessons.answers import fill
from roadmap.lessons.build import build
from roadmap.lessons.work import start
from roadmap.progress import ProgressStore

GOLDEN = Path(__file__).parents[1] / "lessons" / "golden"
LESSON = "phase1_basics/01_adding.ipynb"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden course, started in work/; the progress file is the test's own."""
    shutil.copytree(GOLDEN / "course", tmp_path / "course")
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\n")
    build(tmp_path)
    start(tmp_path, tmp_path / "work")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROADMAP_PROGRESS_FILE", str(tmp_path / "progress.json"))
    return tmp_path


def answer(root: Path, code: str) -> None:
    path = root / "work" / LESSON
    nbformat.write(fill(nbformat.read(path, as_version=4), {"add": code}), path)


def ticked() -> dict[str, bool]:
    return {name: check.passed for name, check in ProgressStore().read().checks.items()}


def test_a_right_answer_earns_its_points_and_is_ticked(root: Path) -> None:
    answer(root, "def add(a, b):\n    return a + b")
    result = CliRunner().invoke(main, ["check", "01_adding"])
    assert result.exit_code == 0, result.output
    assert "2.5 of 2.5 points" in result.output
    assert "✓ Add two: 2.5 of 2.5" in result.output
    assert ticked() == {"test-add": True, "test-add-negative": True}


def test_an_answer_that_only_passes_what_is_visible_is_told_so(root: Path) -> None:
    answer(root, "def add(a, b):\n    return {(1, 2): 3, (-1, -2): -3}.get((a, b), 0)")
    result = CliRunner().invoke(main, ["check"])
    assert "✗ Add two: 0 of 2.5" in result.output
    assert "add with other numbers" in result.output
    assert "add(5, 5) == 10" not in result.output, "the hidden test's source is shown"
    assert ticked() == {"test-add": False, "test-add-negative": False}


def test_the_work_itself_is_left_alone(root: Path) -> None:
    before = (root / "work" / LESSON).read_bytes()
    CliRunner().invoke(main, ["check"])
    assert (root / "work" / LESSON).read_bytes() == before


@pytest.mark.parametrize("arguments", [["no_such_lesson"], ["--work", "course"]])
def test_what_is_not_there_is_a_usage_error(root: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(main, ["check", *arguments])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
