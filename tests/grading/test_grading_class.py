"""One class with every kind of learner, graded once; each test looks at one of them."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from nbformat import NotebookNode, v4
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from tiny_course import ADD, ANSWERS, DOUBLE, TinyCourse, cell, exercise
from traitlets.config import Config

from roadmap.grading import Row, feedback, grade, write_rows

HALF = exercise(
    "half",
    "def half(n):\n    return n / 2",
    "0.5 if callable(half) and half(4) != 2 else half(2)",
)
SPLIT = exercise("split", "parts = 2", "0.25 * parts", 1.0)
ESSAY = cell("written", "essay", "Write here.", 4)
TASK = cell("task", "chore", "Do this.", 1)
LAST = exercise("last", "word = 'end'", "assert word == 'end', 'not the end'")
P1 = [
    *ADD,
    *DOUBLE,
    *SPLIT,
    v4.new_markdown_cell("## Next", id="next"),
    ESSAY,
    TASK,
    *LAST,
]
RIGHT = {**ANSWERS, "split": "parts = 4", "essay": "My words.", "last": "word = 'end'"}
GRADED = ("test-add", "test-double", "test-split", "essay", "chore", "test-last")


@dataclass(frozen=True)
class Class:
    """The graded class: its course directory and its rows by student and notebook."""

    root: Path
    rows: dict[tuple[str, str], Row]
    in_order: list[Row]
    again: list[Row]
    regraded: bool
    steps: list[list[int]]
    pages: list[str]

    def of(self, student: str, name: str = "p1") -> Row:
        return self.rows[student, name]

    def scores(self, student: str, name: str = "p1") -> dict[str, float | None]:
        return {key: found.score for key, found in self.of(student, name).cells.items()}


def with_answer(**answers: str) -> dict[str, str]:
    return {**RIGHT, **answers}


def at(nb: NotebookNode, name: str) -> int:
    ids = [item.metadata.get("nbgrader", {}).get("grade_id") for item in nb.cells]
    return ids.index(name)


def drop(*names: str) -> Callable[[NotebookNode], None]:
    def change(nb: NotebookNode) -> None:
        for name in names:
            del nb.cells[at(nb, name)]

    return change


def rename(nb: NotebookNode) -> None:
    nb.cells[at(nb, "test-double")].metadata.nbgrader.grade_id = "free-points"


WRONG_DOUBLE = "def double(n): return 7"
BOMB = "hoard = []\nwhile True:\n    hoard.append(bytearray(20_000_000))"
SCRIPT = (
    "from IPython.display import HTML, Javascript, display\n"
    "display(HTML('<b>bold</b><script>alert(1)</script><img src=x onerror=alert(2)>'))\n"
    "display(Javascript('alert(3)'))\n"
    "def add(a, b): return 0 if a == 20 else 3"
)


@pytest.fixture(scope="session")
def graded(tmp_path_factory: pytest.TempPathFactory, empty_gradebook: Path) -> Class:
    """Graded twice and given feedback, once for all of xdist's processes."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    saved = shared / "class.json"
    with FileLock(shared / "class.lock"):
        if not saved.exists():
            course = TinyCourse(shared / "class")
            shutil.copy(empty_gradebook, course.root)
            saved.write_text(json.dumps(grade_class(course)))
    data = json.loads(saved.read_text())
    rows = [Row.from_dict(row) for row in data["rows"]]
    again = [Row.from_dict(row) for row in data["again"]]
    by_name = {(row.student, row.notebook): row for row in rows}
    return Class(
        shared / "class",
        by_name,
        rows,
        again,
        data["regraded"],
        data["steps"],
        data["pages"],
    )


def grade_class(course: TinyCourse) -> dict[str, object]:
    course.configure(
        "c.Grader.cell_timeout = 5\n"
        "c.Grader.memory_limit = 400 * 1024**2\n"
        "c.Grader.notebook_limit = 100_000\n"
        "c.Grader.output_limit = 20_000\n"
    )
    course.source("p1", *P1)
    course.source("p2", *HALF)
    (course.root / "source" / "ps1" / "numbers.txt").write_text("7")
    hand_in(course)
    rows = grade("ps1", course.root, workers=2)
    folders = sorted((course.root / "autograded").glob("*/ps1"))
    before = [path.stat().st_ino for path in folders]
    steps: list[tuple[int, int]] = []
    again = grade("ps1", course.root, on_progress=lambda *step: steps.append(step))
    pages = feedback("ps1", course.root, students=["script", "perfect", "broken"])
    return {
        "rows": [row.to_dict() for row in rows],
        "again": [row.to_dict() for row in again],
        "regraded": before != [path.stat().st_ino for path in folders],
        "steps": steps,
        "pages": [str(path.relative_to(course.root / "feedback")) for path in pages],
    }


def hand_in(course: TinyCourse) -> None:
    p1: dict[str, tuple[dict[str, str], Callable[[NotebookNode], None] | None]] = {
        "perfect": (RIGHT, None),
        "untouched": ({}, None),
        "wrong": (with_answer(double=WRONG_DOUBLE, split="parts = 2"), None),
        "greedy": (with_answer(split="parts = 400"), None),
        "stderr": (with_answer(double="import warnings\n" + ANSWERS["double"]), None),
        "dies": (with_answer(split="import os; os._exit(1)"), None),
        "bomb": (with_answer(double=BOMB), None),
        "script": (with_answer(add=SCRIPT, essay="<script>alert(4)</script>\n\n*mine*"), None),
        "reader": (with_answer(add=ANSWERS["add"] + "\nassert open('numbers.txt').read() == '7'"),
                   None),
        "deleter": (with_answer(double=WRONG_DOUBLE), drop("test-double", "test-split", "essay")),
        "renamer": (with_answer(double=WRONG_DOUBLE), rename),
    }  # fmt: skip
    for student, (answers, change) in p1.items():
        course.hand_in(student, answers, change=change)
        course.hand_in(student, {"half": "def half(n):\n    return n / 2"}, name="p2")
    stderr = course.folder("stderr") / "p1.ipynb"
    noisy = (
        "def double(n):\\n    import sys; print('noise', file=sys.stderr); return n * 2"
    )
    stderr.write_text(stderr.read_text().replace("import warnings\\n", noisy + "\\n#"))
    for student in ("broken", "huge", "linked", "extra", "missing", "old"):
        course.hand_in(student, {"half": "def half(n):\n    return n / 2"}, name="p2")
    (course.folder("broken") / "p1.ipynb").write_text('{"cells": [')
    (course.folder("huge") / "p1.ipynb").write_text(" " * 200_000)
    (course.folder("linked") / "p1.ipynb").symlink_to(course.root / "gradebook.db")
    course.hand_in("extra", RIGHT)
    (course.folder("extra") / "p1 copy.ipynb").write_text("{}")
    (course.folder("extra") / "numbers.txt").write_text("8")
    old = course.hand_in("old", RIGHT)
    nbformat.write(nbformat.convert(nbformat.read(old, as_version=4), 3), old)


def test_every_notebook_of_every_submission_has_a_row(graded: Class) -> None:
    students = sorted(path.name for path in (graded.root / "submitted").iterdir())
    expected = [(student, name) for student in students for name in ("p1", "p2")]
    assert [
        (row.student, row.notebook)
        for row in graded.in_order
        if row.notebook != "p1 copy"
    ] == expected
    for row in graded.in_order:
        if row.notebook == "p1":
            assert tuple(row.cells) == GRADED
            assert row.max_score == 12.0


def test_json_is_a_list_of_the_rows(graded: Class, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "grades.json"
    write_rows(graded.in_order, path)
    data = json.loads(path.read_text())
    assert [Row.from_dict(item) for item in data] == graded.in_order
    assert data[0]["cells"]["test-add"].keys() == {"score", "max_score", "message"}
    assert list(path.parent.iterdir()) == [path]


def test_perfect_work_earns_all_but_what_a_person_marks(graded: Class) -> None:
    row = graded.of("perfect")
    assert (row.status, row.message) == ("graded", None)
    assert graded.scores("perfect") == dict(
        zip(GRADED, (2.0, 3.0, 1.0, None, None, 1.0), strict=True)
    )
    assert row.cells["test-add"].message is None
    assert row.cells["essay"].message == "to be marked by a person"
    assert row.score == 7.0
    assert 0 < row.seconds < 60


def test_untouched_work_earns_nothing(graded: Class) -> None:
    row = graded.of("untouched")
    assert (row.status, row.score) == ("graded", 0.0)
    assert row.cells["essay"].score == 0.0
    assert row.cells["essay"].message == "No response."
    assert row.cells["chore"].score is None
    assert row.cells["test-add"].message == "NameError: name 'add' is not defined"


def test_wrong_work_gets_the_checks_own_message(graded: Class) -> None:
    cells = graded.of("wrong").cells
    assert (cells["test-double"].score, cells["test-double"].message) == (0.0, "no")
    assert (cells["test-split"].score, cells["test-split"].message) == (
        0.5,
        "partial credit: 0.5 of 1",
    )
    assert cells["test-add"].score == 2.0


def test_more_than_the_points_is_none_and_ends_nothing(graded: Class) -> None:
    cells = graded.of("greedy").cells
    assert cells["test-split"].score == 0.0
    assert "0 to 1 can be earned" in str(cells["test-split"].message)
    assert cells["test-last"].score == 1.0


def test_output_on_stderr_costs_nothing(graded: Class) -> None:
    assert graded.of("stderr").status == "graded"
    assert graded.scores("stderr")["test-double"] == 3.0


def test_dead_kernel_keeps_the_marks_before_it(graded: Class) -> None:
    row = graded.of("dies")
    assert row.status == "kernel_died"
    assert graded.scores("dies") == dict(
        zip(GRADED, (2.0, 3.0, 0.0, None, None, 0.0), strict=True)
    )
    assert graded.of("dies", "p2").status == "graded"


def test_memory_bomb_is_stopped_and_costs_no_other_notebook(graded: Class) -> None:
    row = graded.of("bomb")
    assert row.status == "out_of_memory"
    assert "stopped at the limit of 400 MiB of memory" in (row.message or "")
    assert graded.scores("bomb")["test-add"] == 2.0
    assert graded.of("bomb", "p2").score == 1.0


@pytest.mark.parametrize("student", ["deleter", "renamer"])
def test_meddling_with_a_check_does_not_help(graded: Class, student: str) -> None:
    row = graded.of(student)
    assert row.status == "graded"
    assert row.cells["test-double"].score == 0.0
    assert row.cells["test-double"].max_score == 3.0
    assert row.cells["test-split"].score == 1.0
    assert row.cells["essay"].score == (0.0 if student == "deleter" else None)


@pytest.mark.parametrize(
    ("student", "status", "reason"),
    [
        ("broken", "invalid", "not JSON"),
        ("huge", "invalid", "over 0.1 MB"),
        ("linked", "invalid", "a link that leads out of the folder"),
        ("missing", "missing", "p1.ipynb was not handed in"),
    ],
)
def test_notebook_that_cannot_be_graded_costs_only_itself(
    graded: Class, student: str, status: str, reason: str
) -> None:
    row = graded.of(student)
    assert row.status == status
    assert reason in str(row.message)
    assert set(graded.scores(student).values()) == {0.0}
    assert graded.of(student, "p2").score == 1.0


def test_extra_notebook_has_a_row_of_its_own(graded: Class) -> None:
    row = graded.of("extra", "p1 copy")
    assert (row.status, row.score, row.max_score, row.cells) == (
        "invalid",
        0.0,
        0.0,
        {},
    )
    assert row.message == "no notebook of this assignment"
    assert graded.of("extra").score == 7.0


def test_nbformat_3_is_graded(graded: Class) -> None:
    assert graded.of("old").score == 7.0


def test_files_of_the_source_win_over_those_handed_in(graded: Class) -> None:
    assert graded.scores("reader")["test-add"] == 2.0
    path = graded.root / "autograded" / "extra" / "ps1" / "numbers.txt"
    assert path.read_text() == "7"


def test_gradebook_has_what_the_rows_say(graded: Class) -> None:
    with Gradebook(f"sqlite:///{graded.root}/gradebook.db", "tiny") as gradebook:
        for row in graded.in_order:
            if row.notebook == "p1 copy":
                continue
            saved = gradebook.find_submission_notebook(row.notebook, "ps1", row.student)
            assert (saved.score, saved.max_score) == (row.score, row.max_score)
            by_name = {grade.name: grade for grade in saved.grades}
            for name, found in row.cells.items():
                assert by_name[name].auto_score == found.score
                assert by_name[name].needs_manual_grade == (found.score is None)
        comments = gradebook.find_submission_notebook("p1", "ps1", "untouched").comments
        assert {c.name: c.auto_comment for c in comments} == {
            "add": "No response.",
            "double": "No response.",
            "split": "No response.",
            "last": "No response.",
            "essay": "No response.",
            "chore": None,
        }


def test_formgrader_sees_all_as_graded(graded: Class) -> None:
    config = Config()
    config.CourseDirectory.root = str(graded.root)
    config.CourseDirectory.course_id = "tiny"
    submissions = NbGraderAPI(config=config).get_submissions("ps1")
    assert {entry["student"]: entry["autograded"] for entry in submissions} == {
        row.student: True for row in graded.in_order
    }


def test_autograded_notebooks_are_valid_read_only_and_say_what_did_not_run(
    graded: Class,
) -> None:
    paths = sorted((graded.root / "autograded").glob("*/ps1/*.ipynb"))
    assert len(paths) == 2 * 17 - 4
    for path in paths:
        nbformat.validate(nbformat.read(path, as_version=4))
        assert path.stat().st_mode & 0o777 == 0o444
    died = nbformat.read(
        graded.root / "autograded" / "dies" / "ps1" / "p1.ipynb", as_version=4
    )
    output = died.cells[at(died, "test-last")].outputs[0]
    assert output.evalue.startswith("not run: the kernel died")


def test_nothing_of_the_grader_is_left_in_nbgraders_folders(graded: Class) -> None:
    assert not list((graded.root / "autograded").glob("*/.*"))


def test_second_run_grades_nothing_again(graded: Class) -> None:
    assert graded.again == graded.in_order
    assert not graded.regraded
    assert graded.steps == [[done, 17] for done in range(18)]


def test_feedback_has_no_script_and_no_hidden_test(graded: Class) -> None:
    assert graded.pages == [
        "broken/ps1/index.html",
        "broken/ps1/p2.html",
        "perfect/ps1/index.html",
        "perfect/ps1/p1.html",
        "perfect/ps1/p2.html",
        "script/ps1/index.html",
        "script/ps1/p1.html",
        "script/ps1/p2.html",
    ]
    root = graded.root / "feedback"
    page = (root / "script" / "ps1" / "p1.html").read_text()
    cell_outputs = page[page.index("<body") :]
    assert "<b>bold</b>" in cell_outputs
    assert "<em>mine</em>" in cell_outputs
    # What was printed as HTML is gone; its source, shown as text, stays.
    assert not re.search(r"<script[^>]*>\s*alert", cell_outputs)
    assert not re.search(r"<img[^>]*onerror", cell_outputs)
    shown = html.unescape(re.sub(r"<[^>]+>", "", cell_outputs))
    assert "assert add(1, 2) == 3" in shown
    assert "add(20, 22) == 42" not in shown
    assert "# (hidden test)" in shown
    assert "AssertionError: add(20, 22) is wrong" in shown


def test_nbgraders_own_feedback_runs_on_the_result(graded: Class) -> None:
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "nbgrader",
            "generate_feedback",
            "ps1",
            "--student",
            "dies",
        ],
        cwd=graded.root,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    page = graded.root / "feedback" / "dies" / "ps1" / "p1.html"
    assert "Score: 5.0 / 12.0" in page.read_text()
