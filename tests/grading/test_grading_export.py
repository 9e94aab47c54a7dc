"""Grades as CSV: for people, for Canvas and for Moodle."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook
from tiny_course import ANSWERS, TinyCourse

from roadmap.cli import main
from roadmap.errors import RoadmapError, UsageError
from roadmap.grading import grade
from roadmap.grading.grades_csv import export


@pytest.fixture
def graded(course: TinyCourse) -> Path:
    course.hand_in("ben", {"add": ANSWERS["add"]})
    course.hand_in("ada")
    grade("ps1", course.root)
    with Gradebook(f"sqlite:///{course.root}/gradebook.db", "tiny") as gradebook:
        gradebook.update_or_create_student(
            "ada", first_name="Ada", last_name="L, Countess", email="ada@example.org"
        )
        gradebook.update_or_create_student("zoe", last_name="=2+5")
    return course.root


def lines(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines()))


def test_the_plain_table_has_everybody_and_a_total(graded: Path) -> None:
    assert lines(export(graded, [], "csv")) == [
        ["student", "last_name", "first_name", "email", "ps1", "total", "of"],
        ["ada", "L, Countess", "Ada", "ada@example.org", "5", "5", "5"],
        ["ben", "", "", "", "2", "2", "5"],
        ["zoe", "'=2+5", "", "", "", "0", "5"],
    ]


def test_canvas_gets_its_columns_and_the_points_possible(graded: Path) -> None:
    assert lines(export(graded, ["ps1"], "canvas")) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "ps1"],
        ["    Points Possible", "", "", "", "", "5"],
        ["L, Countess, Ada", "", "", "ada", "", "5"],
        ["ben", "", "", "ben", "", "2"],
        ["'=2+5", "", "", "zoe", "", ""],
    ]


def test_moodle_gets_something_to_know_people_by(graded: Path) -> None:
    assert lines(export(graded, ["ps1"], "moodle"))[:2] == [
        ["Username", "ID number", "Email address", "ps1"],
        ["ada", "ada", "ada@example.org", "5"],
    ]


def test_marks_given_by_hand_and_late_penalties_count(graded: Path) -> None:
    with Gradebook(f"sqlite:///{graded}/gradebook.db", "tiny") as gradebook:
        notebook = gradebook.find_submission_notebook("p1", "ps1", "ben")
        notebook.late_submission_penalty = 0.5
        notebook.grades[0].extra_credit = 1
        gradebook.db.commit()
    assert lines(export(graded, ["ps1"], "csv"))[2][4] == "2.5"


def test_an_unknown_assignment_names_those_there_are(graded: Path) -> None:
    with pytest.raises(UsageError, match=r"ps9.*ps1"):
        export(graded, ["ps9"], "csv")


def test_the_command_writes_a_file_or_prints(graded: Path, tmp_path: Path) -> None:
    arguments = ["export", "ps1", "--root", str(graded), "--format", "moodle"]
    printed = CliRunner().invoke(main, arguments)
    assert printed.output == export(graded, ["ps1"], "moodle")
    target = tmp_path / "grades.csv"
    assert CliRunner().invoke(main, [*arguments, "-o", str(target)]).exit_code == 0
    assert target.read_text() == printed.output
    (tmp_path / "file").touch()
    refused = CliRunner().invoke(
        main, [*arguments, "-o", str(tmp_path / "file" / "g.csv")]
    )
    assert refused.exit_code == 1
    assert len(refused.stderr.splitlines()) == 1


def test_without_a_course_one_line_says_so(tmp_path: Path) -> None:
    with pytest.raises((RoadmapError, UsageError), match=r"nbgrader_config\.py"):
        export(tmp_path, [], "csv")
