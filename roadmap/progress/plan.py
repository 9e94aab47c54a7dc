"""A dated plan from the roadmap's own durations, and how far the learner is from it.

The rule. The roadmap gives each phase a time: a month, two weeks. It is taken to mean
:data:`ROADMAP_HOURS` hours a week, so a phase is a number of hours: a month is
43 hours, two weeks are 20; "1 hour" is that. With the learner's own hours a week, hours
become days, counted from the day they began. A phase's hours are shared among its lessons
as the lessons' own times are, since what the roadmap asks for besides (reading, practice)
goes with them. Where the lessons alone take longer than the roadmap's time, theirs counts.

A phase that is "ongoing" begins when the one before ends, and has no end. Nobody is late
for it, nor for phases whose lessons are not there yet.

Being on time compares two sums of hours: those of the lessons that the plan has finished
by today (of the lesson under way, the part that is over), and those that the learner has
done (of a lesson with 3 of its 4 exercises done, three quarters). Their difference, in
days at the learner's hours a week, is how far they are behind or ahead; less than
:data:`TOLERANCE` days is on time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from roadmap.lessons.index import Lesson, Phase
from roadmap.progress.model import Checklist, LessonProgress
from roadmap.progress.records import Plan

ROADMAP_HOURS = 10.0
TOLERANCE = 2.0
UNSAID_MINUTES = 90  # of a lesson that does not say its time

_WEEKS = {"day": 1 / 7, "week": 1.0, "month": 365.25 / 12 / 7}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) (hour|day|week|month)s?")


class Span(NamedTuple):
    """From the first day to the last; ``end`` is None where there is no end."""

    begin: date
    end: date | None


@dataclass(frozen=True)
class Schedule:
    """The dated plan. ``lessons`` are by (phase, lesson); ``days`` are ahead, or below 0 behind."""

    phases: dict[str, Span]
    lessons: dict[tuple[str, str], Span]
    days: float

    @property
    def words(self) -> str:
        """Where the learner stands, in words."""
        number = round(abs(self.days))
        if abs(self.days) < TOLERANCE:
            return "You are on time"
        side = "ahead of" if self.days > 0 else "behind"
        return f"You are {number} days {side} your plan"


def lesson_hours(lesson: Lesson) -> float:
    """What the lesson's author says it takes."""
    return (lesson.minutes or UNSAID_MINUTES) / 60


def roadmap_hours(duration: str) -> float | None:
    """The hours behind the roadmap's own words; None for "ongoing"."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        return None
    number = float(found[1])
    return number if found[2] == "hour" else number * _WEEKS[found[2]] * ROADMAP_HOURS


def phase_hours(phase: Phase) -> float | None:
    """The hours that the plan gives a phase; None if it has no end."""
    given = roadmap_hours(phase.duration)
    if given is None:
        return None
    return max(given, sum(map(lesson_hours, phase.lessons)))


def schedule(checklist: Checklist, plan: Plan, today: date) -> Schedule | None:
    """The plan with its dates, as seen on ``today``; None until start and hours are chosen."""
    if plan.start is None or plan.hours is None:
        return None
    begun, a_day = plan.start, plan.hours / 7

    def on(hours: float) -> date:
        return begun + timedelta(days=math.floor(hours / a_day))

    def until(hours: float) -> date:
        return begun + timedelta(days=max(0, math.ceil(hours / a_day) - 1))

    phases, lessons, at = {}, {}, 0.0
    expected = done = 0.0
    over = (today - plan.start).days * a_day
    for phase in checklist.phases:
        hours = phase_hours(phase.phase)
        end = until(at + hours) if hours is not None else None
        phases[phase.phase.name] = Span(on(at), end)
        if hours is None:
            continue
        for lesson, first, last in _shares(phase.lessons, at, hours):
            lessons[lesson.phase, lesson.lesson.name] = Span(on(first), until(last))
            if lesson.exercises:  # what nothing ticks cannot be late
                expected += min(max(over - first, 0.0), last - first)
                done += (last - first) * lesson.done / len(lesson.exercises)
        at += hours
    return Schedule(phases, lessons, (done - expected) / a_day)


def _shares(
    lessons: tuple[LessonProgress, ...], at: float, hours: float
) -> Iterator[tuple[LessonProgress, float, float]]:
    """Each lesson with the hours between which the plan has it."""
    total = sum(lesson_hours(one.lesson) for one in lessons)
    for lesson in lessons:
        share = hours * lesson_hours(lesson.lesson) / total
        yield lesson, at, at + share
        at += share
