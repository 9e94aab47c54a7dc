"""Personal tips: the mistakes behind the checks that failed lately, and what helps.

A failed check's message is looked up among those that the course's authors have named
(:mod:`roadmap.lessons.mistakes`). The same mistake in several exercises is one tip, and
the more often it was made, the earlier it comes. Of an exercise whose messages nobody has
named, the tip is to read its section again, and the lesson's common mistakes.

A tip goes when the checks have since passed :data:`LEARNT` times, or after
:data:`RECENT_DAYS` days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from roadmap.lessons.index import Check
from roadmap.lessons.mistakes import Mistakes, name_of
from roadmap.progress.model import Checklist, ExerciseProgress, LessonProgress
from roadmap.progress.records import CheckRecord, Failure, Snapshot

MOST = 4
LEARNT = 2
RECENT_DAYS = 30
COMMON_MISTAKES = "Common mistakes"
# Sections of exercises, with nothing in them to read again.
_NO_READING = ("", "Harder exercises")


@dataclass(frozen=True)
class Place:
    """A heading in a lesson."""

    lesson: LessonProgress
    heading: str


@dataclass
class Tip:
    """One thing to mind.

    ``mistake`` is what went wrong, in the words of the course's authors, or None where
    only the exercise is known. ``exercises`` are where it happened, ``read`` what to
    read again, ``hidden`` whether only hidden tests noticed.
    """

    mistake: str | None
    hidden: bool
    times: int = 0
    last: date = date.min
    exercises: list[tuple[LessonProgress, ExerciseProgress]] = field(
        default_factory=list
    )

    @property
    def read(self) -> list[Place]:
        """What to read again: two sections at most, the common mistakes where they may help."""
        places = [
            Place(lesson, progress.exercise.section)
            for lesson, progress in self.exercises
            if progress.exercise.section not in _NO_READING
        ]
        if self.mistake is None or not places:
            places.append(Place(self.exercises[0][0], COMMON_MISTAKES))
        return list(dict.fromkeys(places))[:2]

    @property
    def resource(self) -> str:
        """What the roadmap names for the lesson where it happened first, in Markdown."""
        return self.exercises[0][0].lesson.resource


def tips(
    checklist: Checklist, snapshot: Snapshot, mistakes: Mistakes, today: date
) -> list[Tip]:
    """At most :data:`MOST` tips, what was repeated most and came last first."""
    found: dict[str, Tip] = {}
    for lesson, progress, check, failure in _recent(checklist, snapshot, today):
        why = mistakes.why(progress.exercise.id, check.id, failure.message)
        hidden = _only_hidden(snapshot.checks[check.id])
        key = f"mistake {name_of(why)}" if why else f"exercise {progress.exercise.id}"
        tip = found.setdefault(key, Tip(why, hidden))
        if tip.mistake != why and why:
            tip.mistake = name_of(why)  # two ways of one mistake
        tip.times += failure.times
        tip.last = max(tip.last, failure.last)
        if (lesson, progress) not in tip.exercises:
            tip.exercises.append((lesson, progress))
    _drop_unnamed(found)
    ranked = sorted(found.values(), key=lambda tip: (tip.times, tip.last), reverse=True)
    return ranked[:MOST]


def _recent(
    checklist: Checklist, snapshot: Snapshot, today: date
) -> Iterator[tuple[LessonProgress, ExerciseProgress, Check, Failure]]:
    """The messages of checks that have not been learnt since, in the course's order."""
    for lesson in checklist.lessons:
        for progress in lesson.exercises:
            for check in progress.exercise.checks:
                record = snapshot.checks.get(check.id)
                if record is None or record.in_a_row >= LEARNT:
                    continue
                for failure in record.failures:
                    if (today - failure.last).days <= RECENT_DAYS:
                        yield lesson, progress, check, failure


def _only_hidden(record: CheckRecord) -> bool:
    """Whether the visible tests pass and a hidden one does not."""
    return record.passed and record.full == "failed"


def _drop_unnamed(found: dict[str, Tip]) -> None:
    """Where a mistake in an exercise is named, its other messages add nothing."""
    named = {
        progress.exercise.id
        for tip in found.values()
        if tip.mistake is not None
        for _, progress in tip.exercises
    }
    for id in named:
        found.pop(f"exercise {id}", None)
