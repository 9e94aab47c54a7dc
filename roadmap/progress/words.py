"""Times, dates and advice in words, the same in the widget and in the table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date

from roadmap.lessons.index import Lesson, Phase
from roadmap.progress.overview import Overview
from roadmap.progress.plan import TOLERANCE, Schedule, Span, lesson_hours

WEEKS_TO_CATCH_UP = 4
MOST_HOURS = 40  # that anybody is advised to learn in a week

HIDDEN = (
    "Only a hidden test noticed: the answer is right for the examples that you see, "
    "and not for others."
)
_TIMES = {1: "once", 2: "twice"}
_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth"}


def day(when: date, today: date) -> str:
    """A date; the year only where it is not this one."""
    short = f"{when.day} {when:%b}"
    return short if when.year == today.year else f"{short} {when.year}"


def hours(number: float) -> str:
    """Hours to the half, or minutes below an hour and a half."""
    if number < 1.5:
        return f"{round(number * 60)} min"
    return f"{round(number * 2) / 2:g} h"


def about(lesson: Lesson) -> str:
    """A lesson's own time; empty where it does not say one."""
    return f"about {hours(lesson.minutes / 60)}" if lesson.minutes else ""


def phase_time(phase: Phase, span: Span | None, today: date) -> str:
    """The roadmap's time for a phase, what its lessons take, and when it ends."""
    parts = [phase.duration] if phase.duration else []
    if span and span.end:
        parts.append(f"until {day(span.end, today)}")
    elif phase.lessons:
        parts.append(f"lessons {hours(sum(map(lesson_hours, phase.lessons)))}")
    return " · ".join(parts)


def plan(overview: Overview) -> list[str]:
    """Where the learner stands and until when they plan, in sentences."""
    schedule, asked = overview.schedule, overview.snapshot.plan
    if schedule is None:
        return ["Choose the day you began and your hours a week: lessons get dates."]
    if asked.start and asked.start > overview.today:
        return [f"You begin on {day(asked.start, overview.today)}."]
    ends = [span.end for span in schedule.phases.values() if span.end]
    lines = [f"{schedule.words}.", *_catching_up(overview, schedule)]
    if ends:
        lines.append(
            f"At {asked.hours:g} hours a week, the projects begin "
            f"after {day(max(ends), overview.today)}."
        )
    return lines


def _catching_up(overview: Overview, schedule: Schedule) -> Iterator[str]:
    """What would make up for being behind, if that can be done."""
    asked = overview.snapshot.plan.hours
    if asked is None or schedule.days > -TOLERANCE:
        return
    more = math.ceil(asked + asked / 7 * -schedule.days / WEEKS_TO_CATCH_UP)
    if more <= MOST_HOURS:
        yield f"{more} hours a week for {WEEKS_TO_CATCH_UP} weeks would make up for it."
    else:
        yield "Choose a later start: a plan is to help, not to press."


def waiting(number: int) -> str:
    """Of repetitions that are due, but are not for today."""
    return f"{number} more {'waits' if number == 1 else 'wait'}; five a day are enough"


def times(number: int) -> str:
    """How often."""
    return _TIMES.get(number, f"{number} times")


def ordinal(number: int) -> str:
    """Which one, from first to fourth."""
    return _ORDINALS.get(number, f"{number}th")


def sentence(text: str) -> str:
    """``text`` with a capital letter at its beginning and no point at its end."""
    return f"{text[:1].upper()}{text[1:]}".rstrip(".")
