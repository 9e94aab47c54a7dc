"""`roadmap hand-in`: what learners give, an instructor's nbgrader collects and grades."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner, Result
from traitlets.config import PyFileConfigLoader

from roadmap.cli import main
from roadmap.lessons.answers import fill
from roadmap.lessons.build import build
from roadmap.lessons.phases import PHASES
from roadmap.lessons.work import start

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
GOLDEN = ROOT / "tests/lessons/golden"
PHASE = "phase1_basics"
LESSON = f"{PHASE}/01_adding.ipynb"
DOCUMENTED = r".*_(?P<student_id>\w+)_attempt_(?P<timestamp>[0-9\-]+)_(?P<file_id>\w+)"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden course with the course's own settings, and a copy with a right answer."""
    shutil.copytree(GOLDEN / "course", tmp_path / "course")
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    build(tmp_path)
    work = tmp_path / "work"
    start(tmp_path, work)
    code = "def add(a, b):\n    return a + b"
    answered = fill(nbformat.read(work / LESSON, as_version=4), {"add": code})
    nbformat.write(answered, work / LESSON)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hand_in(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["hand-in", *arguments])


def packed(root: Path) -> Path:
    (archive,) = (root / "work/handed_in").iterdir()
    return archive


def nbgrader(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("student", "settings"),
    [("ada", DOCUMENTED), ("ada", None), ("ada_l-99.b@example.org", None)],
    ids=["the expression of nbgrader's guide", "the course's", "an awkward id"],
)
def test_zip_collect_takes_the_archive_and_it_is_graded(
    root: Path, student: str, settings: str | None
) -> None:
    result = hand_in(PHASE, "--student", student)
    assert result.exit_code == 0, result.output
    assert f"wrote {packed(root).relative_to(root)}" in result.output
    inbox = root / "downloaded" / PHASE / "archive"
    inbox.mkdir(parents=True)
    shutil.copy(packed(root), inbox)
    expression = [f"--FileNameCollectorPlugin.named_regexp={settings}"]
    nbgrader(root, "zip_collect", PHASE, *(expression if settings else []))

    submitted = root / "submitted" / student / PHASE
    assert {path.name for path in submitted.iterdir()} == {
        "01_adding.ipynb",
        "timestamp.txt",
    }
    stamp = datetime.fromisoformat((submitted / "timestamp.txt").read_text())
    age = datetime.now(UTC) - stamp.replace(tzinfo=UTC)
    assert timedelta(0) <= age < timedelta(minutes=5)
    if settings is None and student != "ada":
        return
    graded = CliRunner().invoke(main, ["grade", PHASE, "--no-sandbox"])
    assert graded.exit_code == 0, graded.output
    assert "2.5" in graded.output


def test_every_phase_of_the_course_is_known_to_the_expression() -> None:
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    for phase in PHASES:
        path = f"/a_b/{phase}_x_attempt_2/{phase}_ada_l_attempt_20261123112005_09_c_d.ipynb"
        found = re.match(config.FileNameCollectorPlugin.named_regexp, path)
        assert found is not None
        assert found.groupdict() == {
            "student_id": "ada_l",
            "timestamp": "20261123112005",
            "file_id": "09_c_d",
        }


def test_only_the_lessons_are_packed_and_they_as_they_are(root: Path) -> None:
    folder = root / "work" / PHASE
    (folder / ".ipynb_checkpoints").mkdir()
    for name in (
        ".ipynb_checkpoints/01_adding-checkpoint.ipynb",
        "01_adding.new.ipynb",
    ):
        shutil.copy(root / "work" / LESSON, folder / name)
    (folder / "secret.txt").write_text("not for others")
    hand_in(PHASE, "--student", "ada")
    with zipfile.ZipFile(packed(root)) as archive:
        (name,) = archive.namelist()
        assert archive.read(name) == (root / "work" / LESSON).read_bytes()
    assert name == f"{packed(root).stem}_01_adding.ipynb"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "No such file"),
        (b" \n", "the file is empty"),
        (b'{"cells": [', "not JSON"),
        (b"[1]", "not a notebook"),
        (b"\xff\xfe", "the file is no text"),
    ],
    ids=["missing", "empty", "cut off", "a list", "binary"],
)
def test_what_cannot_be_graded_is_refused_and_named(
    root: Path, text: bytes | None, problem: str
) -> None:
    if text is None:
        (root / "work" / LESSON).unlink()
    else:
        (root / "work" / LESSON).write_bytes(text)
    result = hand_in(PHASE, "--student", "ada")
    assert result.exit_code == 1
    first, last = result.stderr.splitlines()
    assert first.startswith(f"work/{LESSON}: {problem}")
    assert "nothing is handed in; `roadmap start`" in last
    assert not (root / "work/handed_in").exists()


def test_an_untouched_lesson_is_said_and_packed(root: Path) -> None:
    (root / "work" / LESSON).unlink()
    start(root, root / "work")
    result = hand_in(PHASE, "--student", "ada")
    assert result.exit_code == 0
    assert "01_adding: 1 exercise has no answer yet" in result.output
    assert packed(root).is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([PHASE], "no student id"),
        ([PHASE, "--student", "../x"], "--student ../x: an id is made of"),
        ([PHASE, "--student", ""], "an id is made of"),
        (["phase9", "--student", "ada"], "phase9: no such phase; there are start_here"),
        (["phase2_oop", "--student", "ada"], "phase2_oop: no such phase"),
    ],
)
def test_wrong_usage_is_one_line(root: Path, arguments: list[str], said: str) -> None:
    result = hand_in(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.fixture
def exchange(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exchange that the course's settings name, with the assignment released."""
    folder = tmp_path_factory.mktemp("exchange")
    folder.chmod(0o777)
    with (root / "nbgrader_config.py").open("a") as config:
        config.write(f"\nc.Exchange.root = {str(folder)!r}\n")
        config.write(f"c.Exchange.cache = {str(folder / 'cache')!r}\n")
    nbgrader(root, "release_assignment", PHASE)
    return folder


def test_where_there_is_an_exchange_nbgrader_collects_from_it(
    root: Path, exchange: Path
) -> None:
    (root / "work" / PHASE / "secret.txt").write_text("not for others")
    result = hand_in(PHASE, "--student", "ada")
    assert result.exit_code == 0, result.output
    assert "handed in through nbgrader's exchange" in result.output
    assert not (root / "work/handed_in").exists()
    nbgrader(root, "collect", PHASE)
    submitted = root / "submitted/ada" / PHASE
    assert (submitted / "01_adding.ipynb").read_bytes() == (
        root / "work" / LESSON
    ).read_bytes()
    assert not (submitted / "secret.txt").exists()


def test_an_exchange_that_refuses_is_one_line(root: Path, exchange: Path) -> None:
    shutil.rmtree(exchange / "python_backend_roadmap/outbound" / PHASE)
    result = hand_in(PHASE, "--student", "ada")
    assert result.exit_code == 1
    assert "the exchange does not take it: Assignment not found" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_archive_that_cannot_be_written_is_one_line(root: Path) -> None:
    (root / "work/handed_in").write_text("a file")
    result = hand_in(PHASE, "--student", "ada")
    assert result.exit_code == 1
    assert "work/handed_in" in result.stderr
    assert len(result.stderr.splitlines()) == 1
