"""A gradebook on a real PostgreSQL holds what one on SQLite holds."""

from __future__ import annotations

import socket

import psycopg
import pytest
from nbgrader.api import Gradebook
from tiny_course import ANSWERS, TinyCourse

from roadmap.errors import RoadmapError
from roadmap.grading import course as course_module
from roadmap.grading import grade


def marks(url: str) -> dict[str, tuple[float, float]]:
    with Gradebook(url, "tiny") as gradebook:
        return {
            submission.student.id: (submission.score, submission.max_score)
            for submission in gradebook.assignment_submissions("ps1")
        }


def test_both_gradebooks_hold_the_same_marks(
    course: TinyCourse, postgresql: str
) -> None:
    course.hand_in("ada")
    course.hand_in("ben", {"add": ANSWERS["add"]})
    course.hand_in("cem", {})
    sqlite = grade("ps1", course.root)
    course.configure(f"c.CourseDirectory.db_url = {postgresql!r}\n")
    postgres = grade("ps1", course.root)
    assert [(row.student, row.score) for row in sqlite] == [
        (row.student, row.score) for row in postgres
    ]
    expected = {"ada": (5.0, 5.0), "ben": (2.0, 5.0), "cem": (0.0, 5.0)}
    assert marks(f"sqlite:///{course.root}/gradebook.db") == expected
    assert marks(postgresql) == expected
    assert grade("ps1", course.root) == postgres
    kept = [path.read_text() for path in (course.root / ".roadmap").rglob("*.json")]
    assert kept
    assert not any("postgresql" in text for text in kept), "the URL may hold a password"


def test_a_password_in_the_url_is_not_in_the_error(course: TinyCourse) -> None:
    url = "postgresql+psycopg://teacher:s3cret-word@127.0.0.1:1/gradebook"
    course.configure(f"c.CourseDirectory.db_url = {url!r}\n")
    course.hand_in("ada")
    with pytest.raises(RoadmapError) as caught:
        grade("ps1", course.root)
    assert "s3cret-word" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_lock_is_told_in_one_line_and_nothing_is_half_written(
    course: TinyCourse, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = {**course_module.PATIENCE, "options": "-c lock_timeout=300ms"}
    monkeypatch.setattr(course_module, "PATIENCE", patience)
    course.configure(f"c.CourseDirectory.db_url = {postgresql!r}\n")
    course.hand_in("ada")
    course.hand_in("ben", {})
    grade("ps1", course.root, students=["ben"])
    before = marks(postgresql)
    uri = postgresql.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(uri) as other:
        other.execute("LOCK TABLE grade IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(RoadmapError, match=r"gradebook.*lock timeout") as caught:
            grade("ps1", course.root, students=["ada", "ben"], force=True)
        other.rollback()
    assert len(str(caught.value).splitlines()) == 1
    assert marks(postgresql) == before
    rows = grade("ps1", course.root)
    assert {row.student: row.score for row in rows} == {"ada": 5.0, "ben": 0.0}


def test_a_server_that_never_answers_is_told_in_one_line(
    course: TinyCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(course_module.PATIENCE, "connect_timeout", "2")
    course.hand_in("ada")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://me@127.0.0.1:{silent.getsockname()[1]}/marks"
        course.configure(f"c.CourseDirectory.db_url = {url!r}\n")
        with pytest.raises(RoadmapError, match="gradebook cannot be used") as caught:
            grade("ps1", course.root)
    assert len(str(caught.value).splitlines()) == 1
