"""The dated plan: the roadmap's durations, the learner's hours, and who is late."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from roadmap.lessons.index import Course
from roadmap.progress import Checklist
from roadmap.progress.plan import (
    UNSAID_MINUTES,
    Schedule,
    Span,
    lesson_hours,
    phase_hours,
    roadmap_hours,
    schedule,
)
from roadmap.progress.records import Plan
from tests.progress.test_model import snapshot

START = date(2026, 1, 5)


def planned(
    course: Course, *passed: str, hours: float = 7.0, after: int = 0
) -> Schedule:
    checklist = Checklist.build(course, snapshot(*passed))
    found = schedule(checklist, Plan(START, hours), START + timedelta(days=after))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ("1 hour", 1),
        ("2 weeks", 20),
        ("1 month", 43.5),
        ("1.5 months", 65.2),
        ("ongoing", None),
        ("", None),
    ],
)
def test_the_roadmaps_words_are_hours(words: str, hours: float | None) -> None:
    found = roadmap_hours(words)

    assert (found and round(found, 1)) == hours


def test_a_lesson_that_says_no_time_takes_the_usual(course: Course) -> None:
    _, loops = course.phases[1].lessons

    assert lesson_hours(loops) == UNSAID_MINUTES / 60


def test_lessons_longer_than_the_roadmaps_time_are_given_theirs(course: Course) -> None:
    (first, second) = course.phases[1].lessons
    long = replace(first, minutes=60 * 100)

    phase = replace(course.phases[1], lessons=(long, second))

    assert phase_hours(phase) == 101.5


def test_without_a_start_or_hours_there_is_no_plan(course: Course) -> None:
    checklist = Checklist.build(course, snapshot())

    assert schedule(checklist, Plan(), START) is None
    assert schedule(checklist, Plan(START, None), START) is None
    assert schedule(checklist, Plan(None, 10), START) is None


def test_phases_follow_each_other_and_lessons_share_their_time(course: Course) -> None:
    """At 7 hours a week an hour is a day; "start here" has no duration, so no end."""
    plan = planned(course)

    assert plan.phases["start_here"] == Span(START, None)
    assert plan.phases["phase1_basics"] == Span(START, START + timedelta(days=43))
    assert plan.phases["phase2_oop"].begin == START + timedelta(days=43)
    values = plan.lessons["phase1_basics", "01_values_and_names"]
    loops = plan.lessons["phase1_basics", "04_loops"]
    assert values.begin == START
    assert values.end == START + timedelta(days=17)  # 60 of 150 minutes of 43.5 days
    assert loops.begin == values.end
    assert loops.end == plan.phases["phase1_basics"].end


def test_twice_the_hours_take_half_the_days(course: Course) -> None:
    assert planned(course, hours=14).phases["phase1_basics"].end == START + timedelta(
        days=21
    )


@pytest.mark.parametrize(
    ("passed", "after", "words"),
    [
        ((), 0, "You are on time"),
        ((), 1, "You are on time"),
        ((), 5, "You are 5 days behind your plan"),
        (("test-alias",), 5, "You are 4 days ahead of your plan"),
        (("test-alias",), 9, "You are on time"),
        (("test-carts", "test-carts-edge", "test-alias"), 17, "You are on time"),
        ((), 1000, "You are 43 days behind your plan"),
        (("test-run",), 5, "You are 5 days behind your plan"),
    ],
    ids=[
        "first day",
        "a day late",
        "behind",
        "half a lesson ahead",
        "half a lesson",
        "a whole lesson",
        "never more than there is",
        "no duration, no hours",
    ],
)
def test_being_on_time_compares_hours(
    course: Course, passed: tuple[str, ...], after: int, words: str
) -> None:
    assert planned(course, *passed, after=after).words == words


def test_before_the_start_nobody_is_late(course: Course) -> None:
    assert planned(course, after=-30).words == "You are on time"


def test_a_lesson_that_nothing_ticks_makes_nobody_late(course: Course) -> None:
    phase = course.phases[1]
    reading = replace(phase.lessons[0], exercises=())
    course = Course((replace(phase, lessons=(reading, phase.lessons[1])),))

    assert planned(course, after=10).words == "You are on time"
    assert planned(course, after=25).words == "You are 8 days behind your plan"
