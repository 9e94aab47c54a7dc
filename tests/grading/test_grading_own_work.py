"""`roadmap check`: one's own work, hidden tests included; the checklist is ticked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
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
    assert "2.5 of 2.5 points (" in result.output
    assert " s, saved just now)" in result.output
    assert "✓ Add two: 2.5 of 2.5" in result.output
    assert ticked() == {"test-add": True, "test-add-negative": True}
    records = ProgressStore().read().checks
    assert [record.full for record in records.values()] == ["passed", "passed"]


def test_an_answer_that_only_passes_what_is_visible_is_told_so(root: Path) -> None:
    answer(root, "def add(a, b):\n    return {(1, 2): 3, (-1, -2): -3}.get((a, b), 0)")
    result = CliRunner().invoke(main, ["check"])
    assert "✗ Add two: 0 of 2.5" in result.output
    assert "add with other numbers" in result.output
    assert "add(5, 5) == 10" not in result.output, "the hidden test's source is shown"
    assert ticked() == {"test-add": False, "test-add-negative": False}
    (failure,) = ProgressStore().read().checks["test-add"].failures
    assert "add with other numbers" in failure.message


def test_an_exercise_without_an_answer_is_told_so_and_is_no_mistake(root: Path) -> None:
    result = CliRunner().invoke(main, ["check", "01"])
    assert result.exit_code == 0
    assert "○ Add two: 0 of 2.5, no answer yet" in result.output
    assert "Error" not in result.output
    assert not any(r.failures for r in ProgressStore().read().checks.values())


def test_it_writes_a_row_for_each_notebook(root: Path) -> None:
    CliRunner().invoke(main, ["check", "--json", "rows.json"])
    rows = json.loads((root / "rows.json").read_text())
    assert {row["notebook"] for row in rows} == {"00_hello", "01_adding"}


def test_from_inside_the_copy_it_finds_the_course_and_takes_a_path(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(root, "def add(a, b):\n    return a + b")
    monkeypatch.chdir(root / "work/phase1_basics")
    result = CliRunner().invoke(main, ["check", "./01_adding.ipynb"])
    assert "✓ Add two" in result.output
    assert "Hello" not in result.output


def test_a_copy_outside_the_course_is_checked_by_the_course_it_came_from(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mine = tmp_path_factory.mktemp("elsewhere") / "mine"
    start(root, mine)
    command = [sys.executable, "-m", "roadmap", "check", "01"]
    done = subprocess.run(command, cwd=mine, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "○ Add two" in done.stdout


def test_a_notebook_that_cannot_be_read_is_named_and_costs_no_tick(root: Path) -> None:
    answer(root, "def add(a, b):\n    return a + b")
    CliRunner().invoke(main, ["check", "01"])
    (root / "work" / LESSON).write_text("{")
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 0
    assert "not JSON" in result.output
    assert f"give work/{LESSON} another name, then run `roadmap start`" in result.output
    assert ProgressStore().read().checks["test-add"].last_result == "passed"


def test_a_notebook_that_is_gone_is_named(root: Path) -> None:
    (root / "work" / LESSON).unlink()
    result = CliRunner().invoke(main, ["check"])
    assert f"work/{LESSON}: not there; `roadmap start` brings it back" in result.output
    alone = CliRunner().invoke(main, ["check", "01"])
    assert alone.exit_code == 2
    assert f"work/{LESSON}: not there" in alone.stderr


def test_the_work_itself_is_left_alone(root: Path) -> None:
    before = (root / "work" / LESSON).read_bytes()
    CliRunner().invoke(main, ["check"])
    assert (root / "work" / LESSON).read_bytes() == before


@pytest.mark.parametrize("arguments", [["no_such_lesson"], ["--work", "course"]])
def test_what_is_not_there_is_a_usage_error(root: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(main, ["check", *arguments])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
