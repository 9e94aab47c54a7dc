"""The audit for the terminal: a table of lessons, worst first, and what to put right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE
from rich.table import Table

from roadmap.audit.plan import MUTANTS
from roadmap.audit.verdicts import ExerciseAudit, LessonAudit


def worst_first(lessons: Iterable[LessonAudit]) -> list[LessonAudit]:
    """Those that do not pass, then by what they reach; equals as they were."""
    return sorted(
        lessons,
        key=lambda one: (
            one.passes,
            min(one.named_rate, one.mutant_rate),
            -len(one.faults),
        ),
    )


def lesson_table(lessons: Sequence[LessonAudit]) -> Table:
    """A row for each lesson and one for all."""
    table = Table(box=SIMPLE, show_footer=True, pad_edge=False)
    table.add_column("lesson", "all", no_wrap=True)
    for head, footer in zip(_COUNTS, _counts(lessons), strict=True):
        table.add_column(head, footer, justify="right", no_wrap=True)
    table.add_column("")
    for lesson in worst_first(lessons):
        state = "ok" if lesson.passes else "FAILED"
        table.add_row(lesson.name, *_counts([lesson]), state)
    return table


_COUNTS = ("answers", "mutants", "%", "hidden", "s")


def _counts(lessons: Sequence[LessonAudit]) -> list[str]:
    """Named answers without fault, mutants that fail, those that only hidden tests fail."""

    def total(what: str) -> int:
        return sum(lesson.total(what) for lesson in lessons)

    mutants = total("mutants")
    return [
        f"{total('named_good')}/{total('named')}",
        f"{total('killed')}/{mutants}",
        f"{100 * total('killed') / mutants:.0f}" if mutants else "none",
        str(total("late")),
        f"{sum(map(seconds, lessons)):.1f}",
    ]


def remarks(lessons: Sequence[LessonAudit]) -> Iterator[str]:
    """A line for each fault, a diff for each survivor, and what was left out."""
    for lesson in worst_first(lessons):
        for fault in lesson.faults:
            yield f"{fault.path}:{fault.line}: {fault.message}"
        for survivor in lesson.survivors:
            yield f"{survivor.path}:{survivor.line}: survives: {survivor.operator}"
            yield from (f"    {line}" for line in survivor.diff.splitlines())
        for one in lesson.exercises:
            for note in _notes(one):
                yield f"{one.path}:{one.line}: {one.exercise}: {note}"


def _notes(one: ExerciseAudit) -> Iterator[str]:
    """What the counts do not say: mutants that were not tried, or do not count."""
    if not one.possible:
        yield "no mutants: nothing in its answer is Python that can be changed"
    if one.alone:
        yield (
            f"{one.alone}; so each answer has a kernel of its own, and only "
            f"{one.mutants + one.excused} of {one.possible} mutants were tried"
        )
    elif one.possible > MUTANTS:
        yield f"{MUTANTS} of {one.possible} mutants were tried, evenly spread"
    if one.excused:
        yield f"{one.excused} mutants are excused as equivalent"


def seconds(lesson: LessonAudit) -> float:
    """How long the lesson's reference answers and their checks take."""
    return sum(one.seconds for one in lesson.exercises)
