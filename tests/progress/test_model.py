"""The checklist as data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from roadmap.lessons.index import Check, Course, Exercise, Lesson, Phase
from roadmap.progress import Checklist
from roadmap.progress.model import SYSTEMS, Status, Tally
from roadmap.progress.records import COUNTERS, Outcome, Snapshot


def snapshot(*passed: str, failed: tuple[str, ...] = (), **counters: int) -> Snapshot:
    outcomes = {name: Outcome(name in passed) for name in (*passed, *failed)}
    return Snapshot(counters={**dict.fromkeys(COUNTERS, 0), **counters}).after(
        outcomes, datetime(2026, 1, 1, tzinfo=UTC)
    )


def statuses(checklist: Checklist) -> list[Status]:
    return [lesson.status for lesson in checklist.lessons]


def test_nothing_done_means_no_lesson_begun_and_the_first_is_next(
    course: Course,
) -> None:
    checklist = Checklist.build(course, Snapshot())

    assert statuses(checklist) == [Status.NOT_BEGUN] * 3
    assert checklist.next_lesson is checklist.lessons[0]
    assert Tally.of(*checklist.lessons) == Tally(0, 4, 0, 5.5)


def test_an_exercise_is_done_when_all_checks_passed_but_points_are_per_check(
    course: Course,
) -> None:
    half = Checklist.build(course, snapshot("test-carts")).lessons[1]
    whole = Checklist.build(course, snapshot("test-carts", "test-carts-edge")).lessons[
        1
    ]

    assert (half.done, half.earned, half.status) == (0, 2, Status.STARTED)
    assert (whole.done, whole.earned, whole.status) == (1, 3.5, Status.STARTED)


def test_a_failed_check_starts_a_lesson_and_earns_nothing(course: Course) -> None:
    lesson = Checklist.build(course, snapshot(failed=("test-alias",))).lessons[1]

    assert (lesson.done, lesson.earned, lesson.status) == (0, 0, Status.STARTED)


def test_next_is_the_first_lesson_not_done_even_when_a_later_one_is(
    course: Course,
) -> None:
    checklist = Checklist.build(course, snapshot("test-run", "test-wait"))

    assert statuses(checklist) == [Status.DONE, Status.NOT_BEGUN, Status.DONE]
    assert checklist.next_lesson is checklist.lessons[1]


def test_nothing_is_next_when_every_lesson_is_done(course: Course) -> None:
    everything = [check.id for *_, check in course.checks()]

    assert Checklist.build(course, snapshot(*everything)).next_lesson is None


def test_a_lesson_without_exercises_is_never_next_nor_done() -> None:
    course = Course(
        (Phase("phase", "Phase", "", (Lesson("reading", "Reading", None, ()),)),)
    )
    checklist = Checklist.build(course, Snapshot())

    assert statuses(checklist) == [Status.NOT_BEGUN]
    assert checklist.next_lesson is None


def test_progress_in_checks_that_the_course_no_longer_has_is_left_out(
    course: Course,
) -> None:
    checklist = Checklist.build(course, snapshot("test-removed"))

    assert Tally.of(*checklist.lessons).done == 0


@pytest.mark.parametrize(
    ("counter", "count", "done", "amount"),
    [
        ("problems", 99, False, "99 of 100+"),
        ("problems", 100, True, "100 of 100+"),
        ("projects", 2, False, "2 of 3–5"),
        ("projects", 3, True, "3 of 3–5"),
        ("github_profile", 0, False, "not yet"),
        ("github_profile", 1, True, "done"),
        ("applications", 14, False, "14 of 15+"),
        ("applications", 15, True, "15 of 15+"),
    ],
)
def test_goals_are_reached_at_their_least(
    course: Course, counter: str, count: int, done: bool, amount: str
) -> None:
    checklist = Checklist.build(course, snapshot(**{counter: count}))
    goal = next(goal for goal in checklist.goals if goal.goal.counter == counter)

    assert (goal.done, goal.amount) == (done, amount)


def test_the_full_grade_of_an_exercise_is_that_of_all_its_checks(
    course: Course,
) -> None:
    def full(*outcomes: tuple[str, Outcome]) -> bool | None:
        snapshot = Snapshot().after(dict(outcomes), datetime(2026, 1, 1, tzinfo=UTC))
        return Checklist.build(course, snapshot).lessons[1].exercises[0].full

    good, bad = Outcome(True, full=True), Outcome(False, "no", full=True)
    assert full(("test-carts", Outcome(True))) is None
    assert full(("test-carts", good), ("test-carts-edge", Outcome(True))) is None
    assert full(("test-carts", good), ("test-carts-edge", good)) is True
    assert full(("test-carts", good), ("test-carts-edge", bad)) is False


def test_the_seven_systems_are_known_by_their_lessons() -> None:
    names = [
        ("phase2_oop", "09_project_library"),
        ("phase6_projects", "01_shop_accounts"),
        ("phase6_projects", "02_shop_catalogue"),
        ("phase6_projects", "04_chat"),
        ("phase6_projects", "09_chatter"),
    ]
    exercise = Exercise("e", "E", (Check("test-e", 1, ""),))
    phases = tuple(
        Phase(
            phase,
            phase,
            "",
            (
                Lesson(
                    name,
                    name,
                    None,
                    (
                        replace(
                            exercise,
                            id=name,
                            checks=(replace(exercise.checks[0], id=name),),
                        ),
                    ),
                ),
            ),
        )
        for phase, name in names
    )
    systems = Checklist.build(
        Course(phases), snapshot("09_project_library", "02_shop_catalogue")
    ).systems

    assert len(systems) == len(SYSTEMS) == 7
    assert {s.system.title: s.status.value for s in systems} == {
        "Library management": "done",
        "Blog": "coming",
        "Task manager": "coming",
        "Weather dashboard": "coming",
        "E-commerce backend": "started",
        "WebSocket chat": "not begun",
        "Portfolio site": "coming",
    }
