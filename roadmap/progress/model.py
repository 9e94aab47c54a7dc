"""The checklist as data: the course's index joined with what a learner has done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from roadmap.lessons.index import Course, Exercise, Lesson, Phase
from roadmap.progress.records import CheckRecord, Snapshot


class Status(StrEnum):
    """How far a lesson is; the value is what people read."""

    COMING = "coming"
    NOT_BEGUN = "not begun"
    STARTED = "started"
    DONE = "done"


@dataclass(frozen=True)
class ExerciseProgress:
    """One exercise: done when all of its checks have passed, points for each that has.

    ``full`` says how it stood when it was last graded with hidden tests, None if never.
    """

    exercise: Exercise
    done: bool
    begun: bool
    earned: float
    full: bool | None = None


@dataclass(frozen=True)
class LessonProgress:
    """One lesson with its exercises; ``phase`` is the folder it lies in."""

    phase: str
    lesson: Lesson
    exercises: tuple[ExerciseProgress, ...]

    @property
    def done(self) -> int:
        """How many of its exercises are done."""
        return sum(exercise.done for exercise in self.exercises)

    @property
    def earned(self) -> float:
        """Points of the checks that have passed."""
        return sum(exercise.earned for exercise in self.exercises)

    @property
    def status(self) -> Status:
        """A lesson without exercises has nothing to tick and stays ``NOT_BEGUN``."""
        if self.exercises and self.done == len(self.exercises):
            return Status.DONE
        if any(exercise.begun for exercise in self.exercises):
            return Status.STARTED
        return Status.NOT_BEGUN

    @property
    def next_exercise(self) -> ExerciseProgress | None:
        """The first exercise that is not done, or None."""
        return next((one for one in self.exercises if not one.done), None)


@dataclass(frozen=True)
class PhaseProgress:
    """One phase with its lessons."""

    phase: Phase
    lessons: tuple[LessonProgress, ...]


@dataclass(frozen=True)
class Goal:
    """One line of the roadmap's final checklist.

    ``counter`` is the store's name for it. It is reached at ``least``;
    ``wanted`` says so in words, or is empty where it is a plain yes or no.
    """

    counter: str
    title: str
    least: int
    wanted: str


GOALS = (
    Goal("problems", "Problems solved on practice sites", 100, "100+"),
    Goal("projects", "Solid backend projects built", 3, "3–5"),
    Goal("github_profile", "GitHub profile updated with all projects", 1, ""),
    Goal("applications", "Job and internship openings applied to", 15, "15+"),
)


@dataclass(frozen=True)
class GoalProgress:
    """One goal and how far it is."""

    goal: Goal
    count: int

    @property
    def done(self) -> bool:
        """Whether the goal is reached."""
        return self.count >= self.goal.least

    @property
    def amount(self) -> str:
        """In words: ``37 of 100+``, or ``done`` and ``not yet`` for a yes or no."""
        if self.goal.wanted:
            return f"{self.count} of {self.goal.wanted}"
        return "done" if self.done else "not yet"


@dataclass(frozen=True)
class System:
    """One of the seven systems that the roadmap asks for.

    It is built in the lessons of ``phase`` whose name, without its number, is or
    begins with ``lesson``.
    """

    title: str
    phase: str
    lesson: str


SYSTEMS = (
    System("Library management", "phase2_oop", "project_library"),
    System("Blog", "phase3_web", "project_blog"),
    System("Task manager", "phase4_databases", "project_tasks"),
    System("Weather dashboard", "phase5_advanced", "project_weather"),
    System("E-commerce backend", "phase6_projects", "shop"),
    System("WebSocket chat", "phase6_projects", "chat"),
    System("Portfolio site", "phase6_projects", "portfolio"),
)


@dataclass(frozen=True)
class SystemProgress:
    """One system and its lessons; without lessons it is still to come."""

    system: System
    lessons: tuple[LessonProgress, ...]

    @property
    def status(self) -> Status:
        """As of one lesson that has all their exercises; ``COMING`` without any."""
        if not self.lessons:
            return Status.COMING
        statuses = {lesson.status for lesson in self.lessons}
        return statuses.pop() if len(statuses) == 1 else Status.STARTED


@dataclass(frozen=True)
class Checklist:
    """Everything the checklist shows, in teaching order."""

    phases: tuple[PhaseProgress, ...]
    goals: tuple[GoalProgress, ...]

    @classmethod
    def build(cls, course: Course, snapshot: Snapshot) -> Checklist:
        """Join the course's index with a learner's progress."""
        return cls(
            tuple(_phase(phase, snapshot.checks) for phase in course.phases),
            tuple(GoalProgress(goal, snapshot.count(goal.counter)) for goal in GOALS),
        )

    @property
    def lessons(self) -> tuple[LessonProgress, ...]:
        """Every lesson of every phase."""
        return tuple(lesson for phase in self.phases for lesson in phase.lessons)

    @property
    def systems(self) -> tuple[SystemProgress, ...]:
        """The seven systems, in the roadmap's order."""
        return tuple(
            SystemProgress(
                system,
                tuple(one for one in self.lessons if _builds(one, system)),
            )
            for system in SYSTEMS
        )

    @property
    def next_lesson(self) -> LessonProgress | None:
        """The first lesson with an exercise still to do, or None when all are done."""
        return next(
            (lesson for lesson in self.lessons if lesson.done < len(lesson.exercises)),
            None,
        )


def _builds(lesson: LessonProgress, system: System) -> bool:
    _, _, name = lesson.lesson.name.partition("_")
    return lesson.phase == system.phase and (
        name == system.lesson or name.startswith(f"{system.lesson}_")
    )


@dataclass(frozen=True)
class Tally:
    """Exercises and points of some lessons, added up."""

    done: int
    exercises: int
    earned: float
    points: float

    @classmethod
    def of(cls, *lessons: LessonProgress) -> Tally:
        """Add up ``lessons``."""
        return cls(
            sum(lesson.done for lesson in lessons),
            sum(len(lesson.exercises) for lesson in lessons),
            sum(lesson.earned for lesson in lessons),
            sum(lesson.lesson.points for lesson in lessons),
        )


def _phase(phase: Phase, records: Mapping[str, CheckRecord]) -> PhaseProgress:
    return PhaseProgress(
        phase,
        tuple(
            LessonProgress(
                phase.name,
                lesson,
                tuple(_exercise(exercise, records) for exercise in lesson.exercises),
            )
            for lesson in phase.lessons
        ),
    )


def _exercise(
    exercise: Exercise, records: Mapping[str, CheckRecord]
) -> ExerciseProgress:
    passed = [c for c in exercise.checks if c.id in records and records[c.id].passed]
    return ExerciseProgress(
        exercise,
        done=len(passed) == len(exercise.checks),
        begun=any(check.id in records for check in exercise.checks),
        earned=sum(check.points for check in passed),
        full=_full([records[c.id] for c in exercise.checks if c.id in records]),
    )


def _full(records: list[CheckRecord]) -> bool | None:
    graded = [record.full for record in records if record.full]
    if not graded or (len(graded) < len(records) and "failed" not in graded):
        return None
    return "failed" not in graded


def plain(title: str) -> str:
    """A title for plain text: on one line, without Markdown's code marks."""
    return " ".join(title.replace("`", "").split())
