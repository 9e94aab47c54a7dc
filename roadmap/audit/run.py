"""Audit lessons: what changed is run, five times over, and every exercise is judged."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from roadmap.audit.kernels import ExerciseRun, LessonRunner
from roadmap.audit.plan import ExercisePlan, LessonPlan, engine_digest, plan
from roadmap.audit.store import Store
from roadmap.audit.verdicts import LessonAudit, Thresholds, verdict
from roadmap.grading.course import NbgraderCourse
from roadmap.grading.kernels import ExecuteSettings
from roadmap.grading.sandbox import ForkServer, available
from roadmap.lessons.index import Lesson, Phase

# A check must judge alike in all of them. Locales and zones that a machine does not
# have are C and UTC there.
ENVIRONMENTS: tuple[Mapping[str, str], ...] = tuple(
    {"PYTHONHASHSEED": str(seed), "LC_ALL": locale, "TZ": zone}
    for seed, (locale, zone) in enumerate(
        [
            ("C.UTF-8", "UTC"),
            ("C", "America/St_Johns"),
            ("de_DE.UTF-8", "Asia/Kathmandu"),
            ("tr_TR.UTF-8", "Pacific/Kiritimati"),
            ("POSIX", "Pacific/Pago_Pago"),
        ]
    )
)
OUTPUT = 200_000_000
NOTEBOOK_SECONDS = 3600.0

Runs = dict[str, list[ExerciseRun]]


def audit(
    root: Path,
    lessons: Sequence[tuple[Phase, Lesson]],
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[LessonAudit]:
    """Judge the exercises of ``lessons`` of the built course in ``root``.

    ``workers`` kernels run at once, one for each core by default, in the sandbox where
    the host has one. Results are kept, and exercises that have not changed are not run
    again. ``on_progress`` hears (done, total), in runs of an exercise.

    Returns:
        A verdict for each lesson that has exercises, in the order of ``lessons``.

    Raises:
        LessonError: an answers file is wrong.
        RoadmapError: the course is not built, or a file cannot be written.
    """
    engine = engine_digest(root)
    thresholds = Thresholds.read(root)
    plans = [
        plan(root, phase.name, lesson, engine)
        for phase, lesson in lessons
        if lesson.exercises
    ]
    known = {one.key: _store(root, one).load(one.exercises) for one in plans}
    changed = {
        one.key: [e for e in one.exercises if e.id not in known[one.key]]
        for one in plans
    }
    _run_changed(
        root,
        [one for one in plans if changed[one.key]],
        changed,
        known,
        workers or os.cpu_count() or 1,
        on_progress,
    )
    return [
        LessonAudit(
            one.phase,
            one.name,
            one.title,
            tuple(
                verdict(one, exercise, known[one.key][exercise.id], ENVIRONMENTS)
                for exercise in one.exercises
            ),
            thresholds,
        )
        for one in plans
    ]


def _store(root: Path, lesson: LessonPlan) -> Store:
    return Store(root, lesson.phase, lesson.name)


def _run_changed(
    root: Path,
    plans: Sequence[LessonPlan],
    changed: Mapping[tuple[str, str], list[ExercisePlan]],
    known: Mapping[tuple[str, str], Runs],
    workers: int,
    on_progress: Callable[[int, int], None],
) -> None:
    """Add the missing runs to ``known``, environment by environment, and keep them."""
    if not plans:
        return
    parts = [
        (lesson, part)
        for lesson in plans
        for part in _split(changed[lesson.key], max(1, workers // len(plans)))
    ]
    counter = _Counter(
        len(ENVIRONMENTS) * sum(len(part) for _, part in parts), on_progress
    )
    settings = NbgraderCourse(root).execute_settings()
    settings = replace(
        settings,
        cell_timeout=None,
        notebook_timeout=NOTEBOOK_SECONDS,
        output_limit=OUTPUT,
    )
    with (
        ThreadPoolExecutor(workers, "audit") as pool,
        _servers() as addresses,  # closed first: its kernels end, and so do the threads
    ):
        for number, environment in enumerate(ENVIRONMENTS):
            here = replace(settings, sandbox=addresses[number])

            def run(
                job: tuple[LessonPlan, list[ExercisePlan]],
                settings: ExecuteSettings = here,
                repeat: bool = number > 0,
            ) -> tuple[LessonPlan, dict[str, ExerciseRun]]:
                lesson, part = job
                runner = LessonRunner(root, lesson, settings)
                return lesson, runner.run(
                    part, repeat=repeat, on_exercise=counter.count
                )

            with _environment(environment):
                for lesson, runs in pool.map(run, parts):
                    for exercise, one in runs.items():
                        known[lesson.key].setdefault(exercise, []).append(one)
    for lesson in plans:
        _store(root, lesson).save(lesson.exercises, known[lesson.key])


def _split(exercises: list[ExercisePlan], parts: int) -> list[list[ExercisePlan]]:
    """Neighbouring exercises together, for each worker that has no lesson of its own."""
    size = -(-len(exercises) // parts)
    return [exercises[at : at + size] for at in range(0, len(exercises), size)]


class _Counter:
    """Counts what threads have done."""

    def __init__(self, total: int, tell: Callable[[int, int], None]) -> None:
        self._done, self._total, self._tell = 0, total, tell
        self._lock = threading.Lock()
        tell(0, total)

    def count(self) -> None:
        with self._lock:
            self._done += 1
            self._tell(self._done, self._total)


@contextmanager
def _servers() -> Iterator[list[str | None]]:
    """A fork server's address for each environment, None where there is no sandbox.

    Hash seeds, locales and zones are a process's from its start, so each needs its own.
    """
    if available():
        yield [None] * len(ENVIRONMENTS)
        return
    with ExitStack() as stack:
        addresses: list[str | None] = []
        for environment in ENVIRONMENTS:
            with _environment(environment):
                addresses.append(stack.enter_context(ForkServer()).address)
        yield addresses


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """What kernels that are started inside find in their environment."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
