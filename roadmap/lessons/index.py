"""What the course holds: phases, lessons, exercises and points.

The build writes this index as ``start_here/course.json``, so that a learner's
copy carries it along; everything that shows or counts lessons reads it here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from roadmap.errors import RoadmapError, UsageError

INDEX_FILE = Path("start_here", "course.json")
SCHEMA = 1


@dataclass(frozen=True)
class Check:
    """One graded test cell.

    ``digest`` is the SHA-256 of its released source, ``hidden`` the number of
    its hidden tests.
    """

    id: str
    points: float
    digest: str
    hidden: int = 0


@dataclass(frozen=True)
class Exercise:
    """One answer to write and the checks that judge it.

    ``section`` is the title of the lesson's section that it stands in, or empty.
    """

    id: str
    title: str
    checks: tuple[Check, ...]
    section: str = ""

    @property
    def points(self) -> float:
        return sum(check.points for check in self.checks)


@dataclass(frozen=True)
class Lesson:
    """One notebook.

    ``minutes`` is the author's estimate, or None; ``resource`` what the roadmap
    itself names for this topic, in Markdown, or empty.
    """

    name: str
    title: str
    minutes: int | None
    exercises: tuple[Exercise, ...]
    resource: str = ""

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

    def phase(self, name: str) -> Phase:
        """The phase of that name.

        Raises:
            UsageError: there is none with lessons.
        """
        there = {phase.name: phase for phase in self.phases if phase.lessons}
        if name not in there:
            raise UsageError(f"{name}: no such phase; there are {', '.join(there)}")
        return there[name]

    def checks(self) -> Iterator[tuple[Phase, Lesson, Exercise, Check]]:
        """Every graded test cell with where it belongs."""
        for phase, lesson in self.lessons():
            for exercise in lesson.exercises:
                for check in exercise.checks:
                    yield phase, lesson, exercise, check

    def select(self, names: Iterable[str]) -> list[tuple[Phase, Lesson]]:
        """The lessons that ``names`` ask for; all of them when there are none.

        A name is a phase (``phase1_basics``), a lesson
        (``phase1_basics/09_mutable_or_not``), a lesson's own name or its
        beginning (``09``), or the path of its notebook.

        Raises:
            UsageError: a name fits no phase and no lesson, or is the beginning of
                several lessons' names.
        """
        if not (wanted := list(names)):
            return list(self.lessons())
        chosen: list[tuple[Phase, Lesson]] = []
        for name in wanted:
            chosen += [pair for pair in self._named(name) if pair not in chosen]
        return chosen

    def _named(self, name: str) -> list[tuple[Phase, Lesson]]:
        path = PurePath(name)
        wanted = path.as_posix()
        if path.suffix == ".ipynb":
            wanted = "/".join(filter(None, (path.parent.name, path.stem)))
        full = {f"{pair[0].name}/{pair[1].name}": pair for pair in self.lessons()}
        exact = [
            pair
            for key, pair in full.items()
            if wanted in (key, pair[0].name, pair[1].name)
        ]
        if exact:
            return exact
        begun = [
            key
            for key, (_, lesson) in full.items()
            if (key if "/" in wanted else lesson.name).startswith(wanted)
        ]
        if len(begun) == 1:
            return [full[begun[0]]]
        raise UsageError(
            f"{name}: several lessons begin so; name one of {', '.join(begun)}"
            if begun
            else f"{name}: no such phase or lesson; "
            f"the phases are {', '.join(phase.name for phase in self.phases)}"
        )

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

        Raises:
            RoadmapError: there is none.
        """
        path = find_index(start)
        return cls.from_json(path.read_text(encoding="utf-8"), str(path))


def find_index(start: Path) -> Path:
    """The index of the course copy around ``start``.

    That is ``start_here/course.json`` in ``start`` or a folder above it, or in
    ``release/`` or ``source/`` of one of them.

    Raises:
        RoadmapError: there is none.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        for place in (folder, folder / "release", folder / "source"):
            path = place / INDEX_FILE
            if path.is_file():
                return path
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
                exercise.get("section", ""),
            )
            for exercise in data["exercises"]
        ),
        data.get("resource", ""),
    )
