"""The days on which something was done: the streak, and the last weeks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from roadmap.progress.records import Day

WEEKS = 12


@dataclass(frozen=True)
class Activity:
    """``weeks`` begin on Mondays, the last one holds today; a day is None if still to come.

    ``streak`` is the number of days in a row up to today, or up to yesterday while
    today is still empty; ``best`` the longest there was.
    """

    weeks: tuple[tuple[int | None, ...], ...]
    first: date
    streak: int
    best: int

    @property
    def active_days(self) -> int:
        """Days of these weeks with a check run."""
        return sum(bool(runs) for week in self.weeks for runs in week)

    @property
    def words(self) -> str:
        """The same in a sentence."""
        days = f"{self.active_days} {_days(self.active_days)} in the last {WEEKS} weeks"
        if not self.best:
            return "No check has been run yet."
        now = f"{self.streak} {_days(self.streak)} in a row now"
        return f"Checks run on {days}; {now}, {self.best} at best."


def activity(days: Sequence[Day], today: date) -> Activity:
    """What ``days`` show of the last :data:`WEEKS` weeks, as seen on ``today``."""
    runs = {day.date: day.passed + day.failed for day in days}
    first = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)
    weeks = tuple(
        tuple(
            runs.get(day, 0) if day <= today else None
            for day in (first + timedelta(weeks=week, days=n) for n in range(7))
        )
        for week in range(WEEKS)
    )
    lengths = _streaks(sorted(runs))
    now = lengths.get(today) or lengths.get(today - timedelta(days=1), 0)
    return Activity(weeks, first, now, max(lengths.values(), default=0))


def _streaks(days: Sequence[date]) -> dict[date, int]:
    """For each day the number of days in a row that end with it."""
    lengths: dict[date, int] = {}
    for day in days:
        lengths[day] = lengths.get(day - timedelta(days=1), 0) + 1
    return lengths


def _days(number: int) -> str:
    return "day" if number == 1 else "days"
