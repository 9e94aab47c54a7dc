"""The checklist as plain text, for everywhere that draws no widgets."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size

from roadmap.progress.model import (
    Checklist,
    LessonProgress,
    PhaseProgress,
    Status,
    Tally,
    plain,
)

WIDTH = 80
ALL_DONE = "Every exercise there is so far is done."
MARKS = {Status.DONE: "✓", Status.STARTED: "◐", Status.NOT_BEGUN: "○"}


def as_table(checklist: Checklist) -> str:
    """The checklist at 80 columns, without colour or control codes.

    Lessons are one line each; those that are under way or next also list their exercises.
    """
    return "\n".join(line.rstrip() for line in _lines(checklist))


def _lines(checklist: Checklist) -> Iterator[str]:
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
    if following:
        yield f"Next: {plain(following.lesson.title)}"
        yield f"      {following.phase}/{following.lesson.name}.ipynb"
    else:
        yield ALL_DONE


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
