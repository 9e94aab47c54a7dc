"""What stands below a check: its words, and where to go on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from roadmap.lessons.index import Check, Course, Exercise
from roadmap.progress import verdict
from roadmap.progress.records import Outcome, Snapshot

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def progress(*passed: str) -> Snapshot:
    return Snapshot().after({name: Outcome(passed=True) for name in passed}, NOW)


def find(course: Course, name: str) -> Check:
    return next(check for *_, check in course.checks() if check.id == name)


ALL = ("test-run", "test-carts", "test-carts-edge", "test-alias", "test-wait")


@pytest.mark.parametrize(
    ("check", "done", "said"),
    [
        ("test-carts", ["test-carts"], "Next: check 2 of this exercise."),
        ("test-carts-edge", ["test-carts-edge"], "Next: check 1 of this exercise."),
        (
            "test-carts-edge",
            ["test-carts", "test-carts-edge"],
            "Next: the exercise “Predict the alias”, below.",
        ),
        (
            "test-alias",
            ["test-alias", "test-carts"],
            "Next: the exercise “Two carts”, above.",
        ),
        (
            "test-run",
            ["test-run"],
            "Every exercise of this lesson is ticked. "
            "Next: Values and names (../phase1_basics/01_values_and_names.ipynb)",
        ),
        (
            "test-alias",
            ["test-alias", "test-carts", "test-carts-edge"],
            "Every exercise of this lesson is ticked. Next: Loops (04_loops.ipynb)",
        ),
        (
            "test-wait",
            ALL[1:],
            "Every exercise of this lesson is ticked. "
            "Next: Welcome (../start_here/00_welcome.ipynb)",
        ),
        (
            "test-wait",
            ALL,
            "Every exercise of this lesson is ticked, and of the whole course.",
        ),
    ],
)
def test_what_is_next(course: Course, check: str, done: list[str], said: str) -> None:
    line = verdict.next_step(course, find(course, check), progress(*done))
    assert verdict.as_text([line]) == said


def test_a_lesson_is_a_link_where_html_is_shown(course: Course) -> None:
    line = verdict.next_step(course, find(course, "test-run"), progress("test-run"))
    page = verdict.as_html([line], None)
    assert (
        'href="../phase1_basics/01_values_and_names.ipynb">Values and names</a>' in page
    )
    assert "<details>" not in page


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        (0, "the hidden ones remain"),
        (1, "1 hidden remains"),
        (4, "4 hidden remain"),
    ],
)
def test_how_many_hidden_tests_remain(hidden: int, said: str) -> None:
    check = Check("test-x", 1, "", hidden)
    line = verdict.passed(Exercise("x", "`X` & co.", (check,)), check)
    assert (
        line
        == f"✓ X & co.: visible checks passed (1 point) — {said}, run `roadmap check`."
    )
    page = verdict.as_html([(line,)], None)
    assert "X &amp; co." in page
    assert "<code>roadmap check</code>" in page
