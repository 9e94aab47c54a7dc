"""The command line: help, exit codes, one line for each error."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from roadmap.cli import main

from .lessons.conftest import LESSON


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "course/phase1_basics"
    folder.mkdir(parents=True)
    (folder / "01_adding.md").write_text(LESSON)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: roadmap {command}" in result.output


def test_build_writes_and_then_has_nothing_to_do(course: Path) -> None:
    first = CliRunner().invoke(main, ["build"])
    assert first.exit_code == 0
    assert "wrote source/phase1_basics/01_adding.ipynb" in first.output
    assert "0 written" in CliRunner().invoke(main, ["build"]).output


def test_build_check_exits_1_and_names_what_is_stale(course: Path) -> None:
    result = CliRunner().invoke(main, ["build", "--check"])
    assert result.exit_code == 1
    assert (
        "source/phase1_basics/01_adding.ipynb: stale; run `roadmap build`"
        in result.output
    )
    assert not (course / "source").exists()
    CliRunner().invoke(main, ["build"])
    assert CliRunner().invoke(main, ["build", "--check"]).exit_code == 0


def test_author_errors_come_a_line_each_without_a_traceback(course: Path) -> None:
    path = course / "course/phase1_basics/01_adding.md"
    path.write_text(
        LESSON.replace(" points=2", "").replace("### BEGIN HIDDEN TESTS\n", "")
    )
    result = CliRunner().invoke(main, ["build"])
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("course/phase1_basics/01_adding.md:") for line in lines)


def test_outside_a_course_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["build"])
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "no course/ here" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["build", "--bogus"],
        ["grade"],
        ["grade", "x", "--workers", "0"],
        ["grade", "x", "--root", "no-such-folder"],
    ],
)
def test_wrong_usage_exits_2(course: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_start_makes_a_copy_and_names_what_it_put_beside(course: Path) -> None:
    CliRunner().invoke(main, ["build"])
    assert "added" in CliRunner().invoke(main, ["start", "mine"]).output
    (course / "mine/phase1_basics/01_adding.ipynb").write_text("my answers")
    path = course / "course/phase1_basics/01_adding.md"
    path.write_text(LESSON + "\nMore.\n")
    CliRunner().invoke(main, ["build"])
    result = CliRunner().invoke(main, ["start", "mine"])
    assert (
        "its new version is beside it: phase1_basics/01_adding.new.ipynb"
        in result.output
    )
    assert (course / "mine/phase1_basics/01_adding.ipynb").read_text() == "my answers"
