"""Spaced repetition: what comes back, when, and what is left in peace."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from roadmap.lessons.index import Course
from roadmap.lessons.mistakes import Mistakes
from roadmap.progress import Checklist, Outcome
from roadmap.progress.records import Snapshot
from roadmap.progress.repeat import LADEN, planned, repetitions

FIRST = date(2026, 1, 1)
PASS, FAIL = Outcome(True), Outcome(False, "carts is 3")
Run = tuple[int, str, Outcome]


def history(*runs: Run) -> Snapshot:
    """Runs of checks, each so many days after the first."""
    snapshot = Snapshot()
    for day, check, outcome in runs:
        now = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
        snapshot = snapshot.after({check: outcome}, now)
    return snapshot


def ahead(course: Course, *runs: Run) -> list[tuple[str, int, int]]:
    """(exercise, days after the first, which time) of what is planned."""
    snapshot = history(*runs)
    checklist = Checklist.build(course, snapshot)
    return [
        (one.exercise.exercise.id, (one.due - FIRST).days, one.number)
        for one in planned(checklist, snapshot, Mistakes())
    ]


ALIAS = "test-alias"


@pytest.mark.parametrize(
    ("runs", "due"),
    [
        ([(0, FAIL), (0, PASS)], (1, 1)),
        ([(0, FAIL), (0, PASS), (0, PASS)], (1, 1)),
        ([(0, FAIL), (0, PASS), (1, PASS)], (4, 2)),
        ([(0, FAIL), (0, PASS), (5, PASS)], (8, 2)),
        ([(0, FAIL), (0, PASS), (1, PASS), (2, PASS)], (4, 2)),
        ([(0, FAIL), (0, PASS), (1, PASS), (4, PASS)], (11, 3)),
        ([(0, FAIL), (0, PASS), (1, PASS), (4, PASS), (11, PASS)], (32, 4)),
        ([(0, FAIL), (0, PASS), (1, PASS), (4, FAIL), (4, PASS)], (5, 1)),
    ],
    ids=[
        "the day after",
        "twice on a day is once",
        "three days after that",
        "late counts from when it was done",
        "too early moves nothing",
        "a week",
        "three weeks",
        "a failure begins anew",
    ],
)
def test_an_exercise_that_once_failed_comes_back(
    course: Course, runs: list[tuple[int, Outcome]], due: tuple[int, int]
) -> None:
    assert ahead(course, *((day, ALIAS, run) for day, run in runs)) == [("alias", *due)]


@pytest.mark.parametrize(
    "runs",
    [
        [(0, PASS)],
        [(0, FAIL)],
        [(0, FAIL), (0, PASS), (1, FAIL)],
        [(0, FAIL), (0, PASS), (1, PASS), (4, PASS), (11, PASS), (32, PASS)],
    ],
    ids=["never failed", "never passed", "fails now", "known by heart"],
)
def test_what_need_not_be_repeated(
    course: Course, runs: list[tuple[int, Outcome]]
) -> None:
    assert ahead(course, *((day, ALIAS, run) for day, run in runs)) == []


def test_the_full_grade_of_old_work_is_no_repetition(course: Course) -> None:
    runs = [
        (0, ALIAS, FAIL),
        (0, ALIAS, PASS),
        (1, ALIAS, Outcome(True, full=True)),
    ]
    assert ahead(course, *runs) == [("alias", 1, 1)]


def test_all_checks_of_an_exercise_have_to_be_run_again(course: Course) -> None:
    both = [(0, "test-carts", FAIL), (0, "test-carts", PASS)]
    assert ahead(course, *both) == []  # the second check has not passed yet
    both.append((0, "test-carts-edge", PASS))
    both.append((1, "test-carts", PASS))
    assert ahead(course, *both) == [("carts", 1, 1)]
    both.append((2, "test-carts-edge", PASS))
    assert ahead(course, *both) == [("carts", 4, 2)]


def test_what_failed_comes_before_what_is_only_tricky_and_then_what_waits_longest(
    course: Course,
) -> None:
    tricky = {f"mistake {number}": ("0" * 8,) for number in range(LADEN)}
    mistakes = Mistakes({"alias": tricky, "carts": {"one": ("0" * 8,)}})
    snapshot = history(
        (0, ALIAS, PASS),
        (0, "test-carts", PASS),
        (0, "test-carts-edge", PASS),
        (1, "test-wait", FAIL),
        (1, "test-wait", PASS),
    )
    checklist = Checklist.build(course, snapshot)

    def due(day: int) -> list[str]:
        found = repetitions(checklist, snapshot, mistakes, FIRST + timedelta(days=day))
        return [one.exercise.exercise.id for one in found]

    assert (due(0), due(1), due(2)) == ([], ["alias"], ["wait", "alias"])


def test_exercises_without_points_are_not_repeated(course: Course) -> None:
    assert ahead(course, (0, "test-run", FAIL), (0, "test-run", PASS)) == []
