"""What to do again from memory today: spaced repetition of exercises.

An exercise comes back 1, 3, 7 and 21 days after its last success; when its checks pass
again on that day or later, it moves on to the next interval, and after the last it is
done with. A day on which a check also failed begins the count anew: then it was not known
by heart. Passing earlier than asked neither moves it on nor holds it up.

Only exercises that are worth it come back: those that once failed, first, and those whose
checks are known to catch many different mistakes. Those without points, which teach how
the course works, do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from roadmap.lessons.mistakes import Mistakes
from roadmap.progress.model import Checklist, ExerciseProgress
from roadmap.progress.records import CheckRecord, Snapshot

INTERVALS = (1, 3, 7, 21)
LADEN = 12  # mistakes that the checks of an exercise worth repeating can tell apart


@dataclass(frozen=True)
class Repetition:
    """An exercise to do again on ``due``, for the ``number``-th time; ``failed`` if it ever did."""

    phase: str
    lesson: str
    exercise: ExerciseProgress
    due: date
    number: int
    failed: bool


def repetitions(
    checklist: Checklist, snapshot: Snapshot, mistakes: Mistakes, today: date
) -> list[Repetition]:
    """All that is due by ``today``: what once failed first, then what waits longest."""
    due = [one for one in planned(checklist, snapshot, mistakes) if one.due <= today]
    return sorted(due, key=lambda one: (not one.failed, one.due))


def planned(
    checklist: Checklist, snapshot: Snapshot, mistakes: Mistakes
) -> Iterator[Repetition]:
    """Every repetition that is ahead, due or not, in the course's order."""
    for lesson in checklist.lessons:
        for progress in lesson.exercises:
            checks = progress.exercise.checks
            records = [snapshot.checks.get(check.id) for check in checks]
            known = [record for record in records if record]
            failed = any(record.failures for record in known)
            laden = len(mistakes.names(progress.exercise.id)) >= LADEN
            worth = progress.exercise.points and (failed or laden)
            if len(known) < len(checks) or not worth:
                continue
            if any(record.last_result == "failed" for record in known):
                continue  # to be put right, not repeated
            ahead = [one for one in map(_next, known) if one]
            if ahead:
                due, number = min(ahead)
                yield Repetition(
                    lesson.phase, lesson.lesson.name, progress, due, number, failed
                )


def _next(record: CheckRecord) -> tuple[date, int] | None:
    """When one check is due again and for which time; None if never."""
    successes: list[date] = []
    for day in record.days:
        if day.failed:
            successes = []
        if day.passed and (not successes or day.date >= _due(successes)):
            successes.append(day.date)
    if not successes or len(successes) > len(INTERVALS):
        return None
    return _due(successes), len(successes)


def _due(successes: list[date]) -> date:
    interval = INTERVALS[min(len(successes), len(INTERVALS)) - 1]
    return successes[-1] + timedelta(days=interval)
