"""All that the checklist shows on one day: what is done, the plan, and what would help."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from roadmap.lessons.index import Course, find_index
from roadmap.lessons.mistakes import Mistakes
from roadmap.progress.activity import Activity, activity
from roadmap.progress.model import Checklist
from roadmap.progress.plan import Schedule, schedule
from roadmap.progress.records import Snapshot
from roadmap.progress.repeat import Repetition, repetitions
from roadmap.progress.store import ProgressStore
from roadmap.progress.tips import Tip, tips


@dataclass(frozen=True)
class Overview:
    """What the widget and the table are drawn from."""

    snapshot: Snapshot
    checklist: Checklist
    schedule: Schedule | None
    tips: list[Tip]
    repetitions: list[Repetition]
    activity: Activity
    today: date

    @classmethod
    def build(
        cls, course: Course, snapshot: Snapshot, mistakes: Mistakes, today: date
    ) -> Overview:
        """Work it all out; nothing is read or kept."""
        checklist = Checklist.build(course, snapshot)
        return cls(
            snapshot,
            checklist,
            schedule(checklist, snapshot.plan, today),
            tips(checklist, snapshot, mistakes, today),
            repetitions(checklist, snapshot, mistakes, today),
            activity(snapshot.days, today),
            today,
        )


def current_overview(start: Path) -> Overview:
    """The learner's progress in the course around ``start``, as it stands today.

    Raises:
        RoadmapError: there is no course index, or the progress file cannot be read.
    """
    index, store = find_index(start), ProgressStore()
    return Overview.build(
        Course.find(start), store.read(), Mistakes.beside(index), store.today()
    )
