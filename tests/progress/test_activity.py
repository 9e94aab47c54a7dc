"""Activity: streaks, and the last weeks."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from roadmap.progress.activity import WEEKS, activity
from roadmap.progress.records import Day

WEDNESDAY = date(2026, 1, 7)


def days(*ago: int) -> list[Day]:
    return [Day(WEDNESDAY - timedelta(days=n), 2, 1) for n in sorted(ago, reverse=True)]


@pytest.mark.parametrize(
    ("ago", "streak", "best"),
    [
        ((), 0, 0),
        ((0,), 1, 1),
        ((1,), 1, 1),
        ((2,), 0, 1),
        ((0, 1, 2), 3, 3),
        ((1, 2, 3, 10), 3, 3),
        ((0, 2, 3, 4), 1, 3),
    ],
)
def test_a_streak_holds_while_today_is_still_empty(
    ago: tuple[int, ...], streak: int, best: int
) -> None:
    found = activity(days(*ago), WEDNESDAY)

    assert (found.streak, found.best) == (streak, best)


def test_weeks_begin_on_monday_and_days_to_come_are_left_open() -> None:
    found = activity(days(0, 2, 3), WEDNESDAY)

    assert len(found.weeks) == WEEKS
    assert found.first.weekday() == 0
    assert found.weeks[-1] == (3, 0, 3, None, None, None, None)
    assert found.weeks[-2] == (0, 0, 0, 0, 0, 0, 3)
    assert found.active_days == 3


def test_older_days_count_for_the_best_streak_only() -> None:
    found = activity(days(100, 101), WEDNESDAY)

    assert (found.active_days, found.best) == (0, 2)


def test_it_is_told_in_words() -> None:
    assert activity([], WEDNESDAY).words == "No check has been run yet."
    assert activity(days(0), WEDNESDAY).words == (
        "Checks run on 1 day in the last 12 weeks; 1 day in a row now, 1 at best."
    )
