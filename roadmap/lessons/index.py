"""What the course holds: phases, lessons, exercises and points.

The build writes this index as ``start_here/course.json``, so that a learner's
copy carries it along; everything that shows or counts lessons reads it here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from roadmap.errors import RoadmapError, UsageError

INDEX_FILE = Path("start_here", "course.json")
SCHEMA = 1


@dataclass(frozen=True)
class Check:
    """One graded test cell. ``digest`` is the SHA-256 of its released source."""

    id: str
    points: float
    digest: str


@dataclass(frozen=True)
class Exercise:
    """One answer to write and the checks that judge it."""

    id: str
    title: str
    checks: tuple[Check, ...]

    @property
    def points(self) -> float:
        return sum(check.points for check in self.checks)


@dataclass(frozen=True)
class Lesson:
    """One notebook. ``minutes`` is the author's estimate, or None."""

    name: str
    title: str
    minutes: int | None
    exercises: tuple[Exercise, ...]

    @property
    def points(self) -> float:
        return sum(exercise.points for exercise in self.exercises)


@dataclass(frozen=True)
class Phase:
    """One nbgrader assignment. ``duration`` is the roadmap's own, in words."""

    name: str
    title: str
    duration: str
    lessons: tuple[Lesson, ...]

    @property
    def points(self) -> float:
        return sum(lesson.points for lesson in self.lessons)


@dataclass(frozen=True)
class Course:
    """The whole index, phases and lessons in teaching order."""

    phases: tuple[Phase, ...]

    def lessons(self) -> Iterator[tuple[Phase, Lesson]]:
        """Every lesson with its phase, in teaching order."""
        for phase in self.phases:
            for lesson in phase.lessons:
                yield phase, lesson

    def checks(self) -> Iterator[tuple[Phase, Lesson, Exercise, Check]]:
        """Every graded test cell with where it belongs."""
        for phase, lesson in self.lessons():
            for exercise in lesson.exercises:
                for check in exercise.checks:
                    yield phase, lesson, exercise, check

    def select(self, names: Iterable[str]) -> list[tuple[Phase, Lesson]]:
        """The lessons that ``names`` ask for; all of them when there are none.

        A name is a phase (``phase1_basics``), a lesson
        (``phase1_basics/09_mutable_or_not``) or a lesson's own name.

        Raises:
            UsageError: a name fits no phase and no lesson.
        """
        wanted = [name.rstrip("/") for name in names]
        everything = list(self.lessons())
        if not wanted:
            return everything
        chosen = []
        for name in wanted:
            found = [
                (phase, lesson)
                for phase, lesson in everything
                if name in (phase.name, lesson.name, f"{phase.name}/{lesson.name}")
            ]
            if not found:
                raise UsageError(
                    f"{name}: no such phase or lesson; "
                    f"the phases are {', '.join(phase.name for phase in self.phases)}"
                )
            chosen += [pair for pair in found if pair not in chosen]
        return chosen

    def to_json(self) -> str:
        """The index as deterministic JSON text."""
        return (
            json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, ensure_ascii=False)
            + "\n"
        )

    @classmethod
    def from_json(cls, text: str, name: str = INDEX_FILE.name) -> Course:
        """Read what :meth:`to_json` wrote; ``name`` is for the error message.

        Raises:
            RoadmapError: the text is no index of this schema.
        """
        try:
            data = json.loads(text)
            if data["schema"] != SCHEMA:
                raise RoadmapError(
                    f"{name}: index schema {data['schema']!r}, this version reads {SCHEMA}; "
                    "rebuild with `roadmap build`"
                )
            return cls(tuple(_phase(phase) for phase in data["phases"]))
        except (ValueError, KeyError, TypeError) as error:
            raise RoadmapError(
                f"{name}: not a course index ({error!r}); rebuild with `roadmap build`"
            ) from error

    @classmethod
    def find(cls, start: Path) -> Course:
        """Load the index that belongs to the course copy around ``start``.

        Looks for ``start_here/course.json`` in ``start`` and each folder above
        it, and in ``release/`` and ``source/`` of each.

        Raises:
            RoadmapError: there is none.
        """
        for folder in (start.resolve(), *start.resolve().parents):
            for place in (folder, folder / "release", folder / "source"):
                path = place / INDEX_FILE
                if path.is_file():
                    return cls.from_json(path.read_text(encoding="utf-8"), str(path))
        raise RoadmapError(
            f"{start}: no {INDEX_FILE} here or in a folder above; "
            "work inside the course, or run `roadmap build` first"
        )


def _phase(data: dict[str, Any]) -> Phase:
    return Phase(
        data["name"],
        data["title"],
        data["duration"],
        tuple(_lesson(lesson) for lesson in data["lessons"]),
    )


def _lesson(data: dict[str, Any]) -> Lesson:
    return Lesson(
        data["name"],
        data["title"],
        data["minutes"],
        tuple(
            Exercise(
                exercise["id"],
                exercise["title"],
                tuple(Check(**check) for check in exercise["checks"]),
            )
            for exercise in data["exercises"]
        ),
    )
