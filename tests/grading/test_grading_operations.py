"""Running the grader again, elsewhere, twice, interrupted, and where it cannot run."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook
from tiny_course import ADD, ANSWERS, DOUBLE, TinyCourse, exercise
from waiting import wait_for

from roadmap.cli import main
from roadmap.errors import RoadmapError, UsageError
from roadmap.grading import Row, feedback, grade

FULL = 5.0


def gradebook(course: TinyCourse) -> Gradebook:
    return Gradebook(f"sqlite:///{course.root}/gradebook.db", "tiny")


def scores(rows: list[Row]) -> dict[str, float]:
    return {row.student: row.score for row in rows}


def counter(path: Path) -> str:
    """An answer that notes each time it is run."""
    return f"open({str(path)!r}, 'a').write('x')\n" + ANSWERS["add"]


def test_only_what_changed_is_graded_again(course: TinyCourse, tmp_path: Path) -> None:
    course.configure("c.Grader.prove = False\n")  # one run each, to be counted
    runs = {name: tmp_path / name for name in ("ada", "ben", "cem")}
    for name, path in runs.items():
        course.hand_in(name, {**ANSWERS, "add": counter(path)})
    first = grade("ps1", course.root, sandbox=False)
    course.hand_in("ada", {"add": counter(runs["ada"])})
    shutil.rmtree(course.root / "autograded" / "ben")
    again = grade("ps1", course.root, sandbox=False)
    assert scores(first) == dict.fromkeys(runs, FULL)
    assert scores(again) == {"ada": 2.0, "ben": FULL, "cem": FULL}
    assert {name: len(path.read_text()) for name, path in runs.items()} == {
        "ada": 2,
        "ben": 2,
        "cem": 1,
    }
    with gradebook(course) as book:
        assert book.find_submission("ps1", "ada").score == 2.0
        book.remove_submission("ps1", "cem")
    grade("ps1", course.root, sandbox=False, students=["cem"])
    assert len(runs["cem"].read_text()) == 2
    grade("ps1", course.root, sandbox=False, students=["cem"], force=True)
    assert len(runs["cem"].read_text()) == 3


def test_changed_source_reaches_gradebook_and_marks(course: TinyCourse) -> None:
    course.hand_in("ada", {**ANSWERS, "double": "def double(n): return 8"})
    assert scores(grade("ps1", course.root)) == {"ada": FULL}
    stricter = exercise(
        "double",
        "def double(n):\n    return n * 2",
        "assert double(5) == 10, 'no'",
        30.0,
    )
    course.source("p1", *ADD, *stricter)
    (row,) = grade("ps1", course.root)
    assert (row.score, row.max_score) == (2.0, 32.0)
    with gradebook(course) as book:
        assert book.find_assignment("ps1").max_score == 32.0


def test_source_that_nbgrader_cannot_take_any_more_is_told(course: TinyCourse) -> None:
    course.hand_in("ada")
    grade("ps1", course.root)
    course.source("p1", *ADD)
    with pytest.raises(
        RoadmapError, match="cells or notebooks were added or removed"
    ) as caught:
        grade("ps1", course.root)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::nbformat.warnings.DuplicateCellId")
@pytest.mark.filterwarnings("ignore::nbformat.warnings.DuplicateCellId")
def test_source_that_nbgrader_refuses_is_told_in_one_line(course: TinyCourse) -> None:
    course.source("p1", *ADD, *ADD)
    course.hand_in("ada")
    with pytest.raises(
        RoadmapError, match="source/ps1: nbgrader cannot register"
    ) as caught:
        grade("ps1", course.root)
    assert "Duplicate grade id" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_gradebook_alone_knows_an_assignment(course: TinyCourse) -> None:
    course.hand_in("ada", {**ANSWERS, "double": "def double(n): return 7"})
    first = grade("ps1", course.root)
    shutil.rmtree(course.root / "source")
    assert (
        scores(grade("ps1", course.root, force=True)) == scores(first) == {"ada": 2.0}
    )


def test_marks_given_by_hand_stay(course: TinyCourse) -> None:
    course.hand_in("ada", {"add": ANSWERS["add"]})
    grade("ps1", course.root)
    with gradebook(course) as book:
        book.find_grade("test-double", "p1", "ps1", "ada").manual_score = 2.5
        book.find_comment("double", "p1", "ps1", "ada").manual_comment = "nearly"
        book.db.commit()
    grade("ps1", course.root, force=True)
    with gradebook(course) as book:
        found = book.find_grade("test-double", "p1", "ps1", "ada")
        assert (found.score, found.auto_score, found.needs_manual_grade) == (
            2.5,
            0.0,
            True,
        )
        assert book.find_comment("double", "p1", "ps1", "ada").comment == "nearly"


def test_lateness_is_judged_by_nbgraders_plugin(course: TinyCourse) -> None:
    course.configure("c.LateSubmissionPlugin.penalty_method = 'zero'\n")
    for student, stamp in (
        ("late", "2026-02-02 00:00:00 UTC"),
        ("early", "2026-01-01"),
        ("odd", "?"),
    ):
        course.hand_in(student)
        (course.folder(student) / "timestamp.txt").write_text(stamp)
    with gradebook(course) as book:
        book.update_or_create_assignment("ps1", duedate="2026-01-15")
    rows = {row.student: row for row in grade("ps1", course.root)}
    assert "timestamp.txt holds no date" in str(rows["odd"].message)
    assert rows["odd"].status == "graded"
    with gradebook(course) as book:
        penalties = {
            student: book.find_submission_notebook(
                "p1", "ps1", student
            ).late_submission_penalty
            for student in rows
        }
    assert penalties == {"late": FULL, "early": None, "odd": None}


def test_folders_database_and_limits_of_the_settings_hold(
    course: TinyCourse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.configure(
        "c.CourseDirectory.submitted_directory = 'in'\n"
        "c.CourseDirectory.autograded_directory = 'out'\n"
        "c.CourseDirectory.source_directory = 'master'\n"
        "c.CourseDirectory.db_url = 'sqlite:///books/marks.db'\n"
        "c.CourseDirectory.student_id_exclude = 'ben'\n"
        "c.ExecutePreprocessor.timeout = 1\n"
    )
    course.hand_in("ada", {**ANSWERS, "add": "import time; time.sleep(60)"})
    course.hand_in("ben")
    (course.root / "submitted").rename(course.root / "in")
    (course.root / "source").rename(course.root / "master")
    (course.root / "books").mkdir()
    (course.root / "gradebook.db").unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # Settings of another course, where the command happens to be given.
    (elsewhere / "nbgrader_config.py").write_text(
        "c.ExecutePreprocessor.kernel_name = 'elsewhere'\n"
    )
    monkeypatch.chdir(elsewhere)
    (row,) = grade("ps1", course.root)
    assert (row.student, row.status, row.score) == ("ada", "timeout", 3.0)
    assert (course.root / "out" / "ada" / "ps1" / "p1.ipynb").is_file()
    assert (course.root / "books" / "marks.db").is_file()
    assert not (course.root / "gradebook.db").exists()
    assert Path.cwd() == elsewhere


def test_kernel_that_is_missing_costs_no_mark_and_is_tried_again(
    course: TinyCourse,
) -> None:
    course.hand_in("ada")
    course.configure("c.ExecutePreprocessor.kernel_name = 'no-such-kernel'\n")
    (row,) = grade("ps1", course.root, sandbox=False)
    assert (row.status, row.score) == ("error", 0.0)
    assert "'no-such-kernel' is not installed" in str(row.message)
    assert not (course.root / "autograded").exists()
    course.configure()
    assert scores(grade("ps1", course.root, sandbox=False)) == {"ada": FULL}


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda root: (root / "nbgrader_config.py").unlink(), "no nbgrader_config.py"),
        (
            lambda root: (root / "nbgrader_config.py").write_text("c = get_conf()"),
            "nbgrader_config.py: cannot be loaded: NameError",
        ),
        (
            lambda root: shutil.rmtree(root / "source"),
            "ps1: no such assignment in .*there are none",
        ),
        (
            lambda root: (root / "source" / "ps1").rename(root / "source" / "ps2"),
            "ps1: no such assignment in .*there are ps2",
        ),
        (lambda root: shutil.rmtree(root / "submitted"), "no submission of ps1"),
        (
            lambda root: (root / "submitted" / "ada").rename(
                root / "submitted" / "eve"
            ),
            "ada: no submission of ps1 .*there are eve",
        ),
    ],
)
def test_wrong_use_is_told_in_one_line(
    course: TinyCourse, spoil: Callable[[Path], object], error: str
) -> None:
    course.hand_in("ada")
    spoil(course.root)
    with pytest.raises(UsageError, match=error) as caught:
        grade("ps1", course.root, students=["ada"])
    assert "\n" not in str(caught.value)


def test_feedback_for_nobody_is_wrong_use(course: TinyCourse) -> None:
    with pytest.raises(UsageError, match="no graded submission of ps1"):
        feedback("ps1", course.root)


def test_one_page_that_fails_stops_no_other(course: TinyCourse) -> None:
    course.hand_in("ada")
    course.hand_in("ben")
    grade("ps1", course.root)
    path = course.root / "autograded" / "ada" / "ps1" / "p1.ipynb"
    path.chmod(0o644)
    path.write_text("{}")
    with pytest.raises(
        RoadmapError, match=r"no feedback for ada \(.*2 pages of the others"
    ):
        feedback("ps1", course.root)
    assert (course.root / "feedback" / "ben" / "ps1" / "p1.html").is_file()


def test_locked_gradebook_is_told_and_leaves_nothing_half_written(
    course: TinyCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.configure(
        "c.CourseDirectory.db_url = 'sqlite:///gradebook.db?timeout=0.2'\n"
    )
    course.hand_in("ada")
    course.hand_in("ben", {})
    grade("ps1", course.root, students=["ben"])
    lock = sqlite3.connect(course.root / "gradebook.db")
    lock.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        RoadmapError, match=r"gradebook\.db.*database is locked"
    ) as caught:
        grade("ps1", course.root)
    assert "\n" not in str(caught.value)
    lock.rollback()
    lock.close()
    assert not (course.root / "autograded" / "ada").exists()
    assert scores(grade("ps1", course.root)) == {"ada": FULL, "ben": 0.0}
    assert not list((course.root / "autograded").glob("*/.*"))


def test_unreachable_gradebook_is_told_without_its_password(course: TinyCourse) -> None:
    course.configure(
        "c.CourseDirectory.db_url = 'postgresql+psycopg://me:secret@127.0.0.1:9/marks'\n"
    )
    course.hand_in("ada")
    with pytest.raises(RoadmapError, match="gradebook cannot be used") as caught:
        grade("ps1", course.root)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


GRADE = "import sys; from pathlib import Path; from roadmap.grading import grade; "


def start_grading(
    course: TinyCourse, scratch: Path, first: str = ""
) -> subprocess.Popen[bytes]:
    code = first + GRADE + "grade('ps1', Path(sys.argv[1]), workers=1, sandbox=False)"
    env = {**os.environ, "TMPDIR": str(scratch)}
    return subprocess.Popen([sys.executable, "-c", code, str(course.root)], env=env)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A temporary folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="scratch-") as folder:
        yield Path(folder)


def test_killed_grader_leaves_no_process_and_the_next_run_goes_on(
    course: TinyCourse, tmp_path: Path, scratch: Path
) -> None:
    course.configure("c.Grader.prove = False\n")  # one run each, to be counted
    first, begun = tmp_path / "first", tmp_path / "begun"
    course.hand_in("ada", {**ANSWERS, "add": counter(first)})
    slow = f"import os, time\nopen({str(begun)!r}, 'a').write(str(os.getpid()) + ' ')\n"
    slow += (
        f"if open({str(begun)!r}).read().count(' ') == 1: time.sleep(600)\n"
        + ANSWERS["add"]
    )
    course.hand_in("ben", {**ANSWERS, "add": slow})
    process = start_grading(course, scratch)
    wait_for(lambda: begun.exists() and begun.read_text().endswith(" "))
    process.send_signal(signal.SIGKILL)
    process.wait()
    kernel = int(begun.read_text())
    wait_for(lambda: not psutil.pid_exists(kernel))
    assert (course.root / "autograded" / "ada").is_dir()
    assert not (course.root / "autograded" / "ben").exists()
    assert scores(grade("ps1", course.root, sandbox=False)) == {
        "ada": FULL,
        "ben": FULL,
    }
    assert first.read_text() == "x"
    wait_for(lambda: not list(scratch.glob("roadmap-*")))


DIE = "import os; from roadmap.grading import run; die = lambda *_: os.kill(os.getpid(), 9); "
BEFORE_THE_FIRST = DIE + "run.load_master = die; "
BEFORE_THE_FOLDER = DIE + "run.move_into_place = die; "
BEFORE_THE_RECORD = (
    DIE
    + "write = run.write_text; "
    + "run.write_text = lambda p, t: (die if p.name == 'ada.json' else write)(p, t); "
)


@pytest.mark.parametrize(
    "die", [BEFORE_THE_FIRST, BEFORE_THE_FOLDER, BEFORE_THE_RECORD]
)
def test_grader_killed_between_two_writes_loses_nothing(
    course: TinyCourse, scratch: Path, die: str
) -> None:
    course.configure("c.Grader.prove = False\n")
    course.hand_in("ada")
    course.hand_in("ben", {"add": ANSWERS["add"]})
    assert (
        start_grading(course, scratch, first=die).wait(timeout=120) == -signal.SIGKILL
    )
    assert scores(grade("ps1", course.root, sandbox=False)) == {"ada": FULL, "ben": 2.0}
    with gradebook(course) as book:
        found = book.assignment_submissions("ps1")
        assert {one.student_id: one.score for one in found} == {"ada": FULL, "ben": 2.0}
    wait_for(lambda: not list(scratch.glob("roadmap-*")))
    assert sorted(path.name for path in (course.root / "autograded").glob("*/*")) == [
        "ps1",
        "ps1",
    ]


def test_second_grader_of_an_assignment_is_turned_away_and_of_another_is_not(
    course: TinyCourse, tmp_path: Path, scratch: Path
) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    wait = f"import os, time\nopen({str(begun)!r}, 'w').close()\n"
    wait += f"while not os.path.exists({str(go)!r}): time.sleep(0.02)\n{ANSWERS['add']}"
    course.hand_in("ada", {**ANSWERS, "add": wait})
    course.source("q1", *DOUBLE, assignment="ps2")
    shutil.copytree(
        course.root / "source" / "ps2", course.root / "submitted" / "ada" / "ps2"
    )
    first = start_grading(course, scratch)
    wait_for(lambda: begun.exists() or first.poll() is not None)
    second = CliRunner().invoke(main, ["grade", "ps1", "--root", str(course.root)])
    assert second.exit_code == 1
    (line,) = second.stderr.splitlines()
    assert line.startswith(
        f"{course.root}/.roadmap/graded/ps1.lock: ps1 is being graded"
    )
    assert scores(grade("ps2", course.root, sandbox=False)) == {"ada": 3.0}
    go.touch()
    assert first.wait(timeout=120) == 0
    with gradebook(course) as book:
        assert book.find_submission("ps1", "ada").score == FULL
        assert book.find_submission("ps2", "ada").score == 3.0


def test_interrupted_grader_ends_its_processes(
    course: TinyCourse, tmp_path: Path, scratch: Path
) -> None:
    begun = tmp_path / "begun"
    slow = f"import os, time\nopen({str(begun)!r}, 'a').write(f'{{os.getpid()}} ')\ntime.sleep(600)"
    course.hand_in("ada", {"add": slow})
    process = start_grading(course, scratch)
    wait_for(lambda: begun.exists() and begun.read_text().endswith(" "))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) != 0
    wait_for(lambda: not psutil.pid_exists(int(begun.read_text())))
    assert not list(scratch.glob("roadmap-*"))


def test_worker_that_is_killed_costs_only_its_notebook(course: TinyCourse) -> None:
    course.source("p2", *exercise("late", "x = 1", "assert x == 1, 'no'"))
    kill = "import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(60)"
    course.hand_in("ada", {**ANSWERS, "double": kill})
    course.hand_in("ada", {"late": "x = 1"}, name="p2")
    rows = {row.notebook: row for row in grade("ps1", course.root, sandbox=False)}
    assert (rows["p1"].status, rows["p1"].score) == ("kernel_died", 2.0)
    assert (rows["p2"].status, rows["p2"].score) == ("graded", 1.0)


def test_script_that_grades_is_not_run_again_and_nothing_reaches_the_terminal(
    course: TinyCourse, tmp_path: Path
) -> None:
    course.hand_in(
        "ada", {**ANSWERS, "add": "import os\nos.write(2, b'!')\n" + ANSWERS["add"]}
    )
    (course.folder("ada") / "extra.ipynb").write_text("{")
    (course.folder("ada") / "link.txt").symlink_to(tmp_path)
    script = tmp_path / "script.py"
    script.write_text(
        GRADE + "rows = grade('ps1', Path(sys.argv[1])); print(rows[0].message)"
    )
    found = subprocess.run(
        [sys.executable, script, course.root],
        capture_output=True,
        check=True,
        timeout=60,
    )
    said = b"link.txt was left out: a link that leads out of the folder\n"
    assert (found.stdout, found.stderr) == (said, b"")


def test_honest_work_is_scored_as_by_nbgrader(
    course: TinyCourse, tmp_path: Path
) -> None:
    partial = exercise("split", "parts = 4", "0.25 * parts", 1.0)
    course.source("p1", *ADD, *DOUBLE, *partial)
    course.hand_in("right", {**ANSWERS, "split": "parts = 4"})
    course.hand_in("untouched", {})
    course.hand_in("half", {"add": ANSWERS["add"], "split": "parts = 2"})
    course.hand_in(
        "wrong", {"add": "def add(a, b): return 3", "double": "def double(n): x"}
    )
    stock = tmp_path / "stock"
    shutil.copytree(course.root, stock)
    for arguments in (["generate_assignment", "ps1"], ["autograde", "ps1"]):
        subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=stock,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            capture_output=True,
            check=True,
            timeout=120,
        )
    rows = grade("ps1", course.root)
    assert content(course.root) == content(stock)
    assert {row.student: row.score for row in rows} == {
        "half": 2.5,
        "right": 6.0,
        "untouched": 0.0,
        "wrong": 0.0,
    }


def content(root: Path) -> object:
    """What formgrader makes of a course: marks, comments, and the cells it shows."""
    with Gradebook(f"sqlite:///{root}/gradebook.db", "tiny") as book:
        marks = {
            (submission.student_id, grade.name): (
                grade.auto_score,
                grade.max_score,
                grade.needs_manual_grade,
            )
            for submission in book.assignment_submissions("ps1")
            for notebook in submission.notebooks
            for grade in notebook.grades
        }
        comments = {
            (submission.student_id, comment.name): comment.comment
            for submission in book.assignment_submissions("ps1")
            for notebook in submission.notebooks
            for comment in notebook.comments
        }
    cells = {
        path.relative_to(root).as_posix(): [
            (cell.cell_type, cell.source, cell.metadata.nbgrader.checksum)
            for cell in nbformat.read(path, as_version=4).cells
        ]
        for path in sorted((root / "autograded").glob("*/*/*.ipynb"))
    }
    return marks, comments, cells


def test_notebook_that_takes_the_memory_while_it_is_read_costs_only_itself(
    course: TinyCourse,
) -> None:
    course.configure("c.Grader.memory_limit = 300 * 1024**2\n")
    course.source("p2", *exercise("late", "x = 1", "assert x == 1, 'no'"))
    (course.folder("ada") / "p1.ipynb").write_text(
        '{"nbformat": 4, "cells": [' + "[]," * 13_000_000 + "[]]}"
    )
    course.hand_in("ada", {"late": "x = 1"}, name="p2")
    rows = {row.notebook: row for row in grade("ps1", course.root)}
    assert (rows["p1"].status, rows["p1"].score) == ("out_of_memory", 0.0)
    assert (rows["p2"].status, rows["p2"].score) == ("graded", 1.0)
