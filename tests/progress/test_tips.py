"""Tips: the mistakes behind failed checks, the most repeated first, gone when learnt."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from roadmap.lessons.index import Course
from roadmap.lessons.mistakes import Mistakes, tell_apart
from roadmap.progress import Checklist, Outcome
from roadmap.progress.tips import MOST, RECENT_DAYS, Tip, tips
from tests.progress.test_repeat import FIRST, Run, history

COPIES = "copies: the list is copied once too often"
MISTAKES = Mistakes(
    {
        "carts": tell_apart(
            [
                ("test-carts", "carts is 3", COPIES),
                ("test-carts-edge", "carts is None", "prints and returns None"),
            ],
            [],
        ),
        "alias": tell_apart(
            [("test-alias", "alias is 3", "copies: = copies the list")], []
        ),
    }
)
PASS = Outcome(True)


def fail(message: str) -> Outcome:
    return Outcome(False, message)


def told(course: Course, *runs: Run, today: int = 0) -> list[Tip]:
    snapshot = history(*runs)
    checklist = Checklist.build(course, snapshot)
    return tips(checklist, snapshot, MISTAKES, FIRST + timedelta(days=today))


def test_nothing_failed_nothing_told(course: Course) -> None:
    assert (
        told(course, (0, "test-carts", PASS), (0, "test-alias", Outcome(False))) == []
    )


def test_a_named_mistake_is_told_even_with_other_values(course: Course) -> None:
    (tip,) = told(course, (0, "test-carts", fail("carts is 17")))

    assert (tip.mistake, tip.times) == (COPIES, 1)
    assert [exercise.exercise.id for _, exercise in tip.exercises] == ["carts"]


def test_one_mistake_in_two_exercises_is_one_tip_under_its_name(course: Course) -> None:
    (tip,) = told(
        course,
        (0, "test-carts", fail("carts is 3")),
        (0, "test-alias", fail("alias is 3")),
    )

    assert (tip.mistake, tip.times) == ("copies", 2)
    assert [exercise.exercise.id for _, exercise in tip.exercises] == ["carts", "alias"]


def test_the_most_repeated_comes_first_then_the_latest(course: Course) -> None:
    runs = [
        (0, "test-carts", fail("carts is 3")),
        (1, "test-carts-edge", fail("carts is None")),
        (2, "test-wait", fail("waits")),
        (2, "test-wait", fail("waits")),
    ]

    assert [tip.mistake for tip in told(course, *runs, today=2)] == [
        None,
        "prints and returns None",
        COPIES,
    ]


def test_what_nobody_has_named_sends_to_the_common_mistakes(course: Course) -> None:
    (tip,) = told(course, (0, "test-wait", fail("no idea")))

    assert tip.mistake is None
    assert [(place.lesson.lesson.name, place.heading) for place in tip.read] == [
        ("04_loops", "Common mistakes")
    ]


def test_a_named_mistake_hides_the_exercises_other_messages(course: Course) -> None:
    (tip,) = told(
        course,
        (0, "test-carts", fail("no idea")),
        (0, "test-carts", fail("carts is 3")),
    )

    assert tip.mistake == COPIES


def test_the_section_of_the_exercise_is_to_be_read_again(course: Course) -> None:
    phase = course.phases[1]
    values = phase.lessons[0]
    carts = replace(values.exercises[0], section="Two names")
    lesson = replace(values, exercises=(carts, *values.exercises[1:]))
    course = Course((replace(phase, lessons=(lesson,)),))

    (named,) = told(course, (0, "test-carts", fail("carts is 3")))
    (unnamed,) = told(course, (0, "test-carts", fail("no idea")))

    assert [place.heading for place in named.read] == ["Two names"]
    assert [place.heading for place in unnamed.read] == ["Two names", "Common mistakes"]


@pytest.mark.parametrize(
    ("after", "gone"), [([PASS], False), ([PASS, PASS], True)], ids=["once", "twice"]
)
def test_a_tip_goes_when_the_check_has_passed_twice_since(
    course: Course, after: list[Outcome], gone: bool
) -> None:
    runs = [(1, "test-carts", outcome) for outcome in after]

    assert (told(course, (0, "test-carts", fail("carts is 3")), *runs) == []) is gone


def test_a_tip_goes_after_a_month(course: Course) -> None:
    run = (0, "test-carts", fail("carts is 3"))

    assert told(course, run, today=RECENT_DAYS)
    assert told(course, run, today=RECENT_DAYS + 1) == []


def test_only_hidden_tests_noticed(course: Course) -> None:
    runs = [(0, "test-wait", PASS), (0, "test-wait", Outcome(False, "no", full=True))]

    (tip,) = told(course, *runs)

    assert tip.hidden
    assert not told(course, (0, "test-wait", fail("no")))[0].hidden


def test_there_are_never_more_than_a_few(course: Course) -> None:
    phase = course.phases[1]
    wait = phase.lessons[1].exercises[0]
    many = [
        replace(wait, id=f"e{n}", checks=(replace(wait.checks[0], id=f"test-e{n}"),))
        for n in range(MOST + 3)
    ]
    lesson = replace(phase.lessons[1], exercises=tuple(many))
    course = Course((replace(phase, lessons=(lesson,)),))

    found = told(course, *((0, f"test-e{n}", fail("no")) for n in range(MOST + 3)))

    assert len(found) == MOST
    assert found[0].last == date(2026, 1, 1)
