"""The checklist as plain text, for everywhere that draws no widgets."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size

from roadmap.progress import words
from roadmap.progress.model import (
    LessonProgress,
    PhaseProgress,
    Status,
    Tally,
    plain,
)
from roadmap.progress.overview import Overview

WIDTH = 80
ALL_DONE = "Every exercise there is so far is done."
MARKS = {
    Status.DONE: "✓",
    Status.STARTED: "◐",
    Status.NOT_BEGUN: "○",
    Status.COMING: "·",
}


def as_table(overview: Overview) -> str:
    """The checklist at 80 columns, without colour or control codes.

    Lessons are one line each; those that are under way or next also list their exercises.
    """
    return "\n".join(line.rstrip() for line in _lines(overview))


def _lines(overview: Overview) -> Iterator[str]:
    checklist = overview.checklist
    following = checklist.next_lesson
    yield _row("Progress", "", "exercises", "points")
    yield "─" * WIDTH
    for phase in checklist.phases:
        yield _phase_row(phase)
        for lesson in phase.lessons:
            yield _row(
                _ticked(lesson.status, lesson.lesson.title),
                lesson.status,
                *_sums(lesson),
            )
            if lesson == following or lesson.status is Status.STARTED:
                yield from _exercise_rows(lesson)
    yield "─" * WIDTH
    yield _row("Together", "", *_sums(*checklist.lessons))
    yield ""
    yield "Final checklist"
    for goal in checklist.goals:
        status = Status.DONE if goal.done else Status.NOT_BEGUN
        yield _row(_ticked(status, goal.goal.title), goal.amount)
    yield ""
    yield "Seven systems"
    for system in checklist.systems:
        yield _row(_ticked(system.status, system.system.title), system.status)
    yield ""
    yield from _advice(overview)
    if following:
        yield f"Next: {plain(following.lesson.title)}"
        yield f"      {following.phase}/{following.lesson.name}.ipynb"
    else:
        yield ALL_DONE


def _advice(overview: Overview) -> Iterator[str]:
    """The plan, activity, tips and what to repeat, as far as there is anything to say."""
    lines = words.plan(overview) if overview.schedule else []
    if overview.activity.best:
        lines.append(overview.activity.words)
    for tip in overview.tips:
        where = ", ".join(plain(one.exercise.title) for _, one in tip.exercises[:2])
        again = ", ".join(plain(place.heading) for place in tip.read)
        said = (
            f"{words.sentence(plain(tip.mistake))} ({where})" if tip.mistake else where
        )
        lines.append(f"Tip: {said}. Read again: {again}.")
    if overview.repetitions:
        again = "; ".join(
            plain(one.exercise.exercise.title) for one in overview.repetitions[:5]
        )
        lines.append(f"Do again from memory today: {again}.")
    for line in lines:
        yield from textwrap.wrap(line, WIDTH, subsequent_indent="  ")
    if lines:
        yield ""


def _phase_row(phase: PhaseProgress) -> str:
    title, duration = plain(phase.phase.title), plain(phase.phase.duration)
    full_title = f"{title} ({duration})" if duration else title
    if not phase.lessons:
        return _row(full_title, "coming")
    return _row(full_title, "", *_sums(*phase.lessons))


def _exercise_rows(lesson: LessonProgress) -> Iterator[str]:
    for item in lesson.exercises:
        mark = MARKS[Status.DONE if item.done else Status.NOT_BEGUN]
        points = _share(item.earned, item.exercise.points)
        yield _row(f"      {mark} {plain(item.exercise.title)}", "", "", points)


def _ticked(status: Status, title: str) -> str:
    return f"  {MARKS[status]} {plain(title)}"


def _sums(*lessons: LessonProgress) -> tuple[str, str]:
    tally = Tally.of(*lessons)
    exercises = _share(tally.done, tally.exercises)
    return exercises, _share(tally.earned, tally.points)


def _share(part: float, whole: float) -> str:
    return f"{part:g}/{whole:g}" if whole else ""


def _row(title: str, status: str = "", exercises: str = "", points: str = "") -> str:
    return f"{_fit(title, 47)} {_fit(status, 11)} {exercises:>9} {points:>10}"


def _fit(text: str, width: int) -> str:
    """Exactly ``width`` columns of ``text``, with an ellipsis where some is cut."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1).rstrip() + "…"
