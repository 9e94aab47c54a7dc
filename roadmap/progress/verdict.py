"""What stands below a check cell that has run: how it went, and what is next.

Front ends that show HTML get links and a folded traceback; others get the same
words as plain text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import NamedTuple

from roadmap.lessons.index import Check, Course, Exercise, Lesson, Phase
from roadmap.progress.model import plain
from roadmap.progress.records import Snapshot

_CODE = re.compile(r"`([^`]+)`")
# JupyterLab's own in its theme; elsewhere such as are readable on light and on dark.
_COLOURS = {
    "✓": "var(--jp-success-color1, #2e8b57)",
    "✗": "var(--jp-error-color1, #d9534f)",
}


class Link(NamedTuple):
    """A lesson's title, and where it is as seen from the notebook."""

    title: str
    path: str


Line = tuple[str | Link, ...]


def passed(exercise: Exercise, check: Check) -> str:
    """That the visible checks passed, the points, and how many hidden ones there are."""
    earned = f" ({_count(check.points, 'point')})" if check.points else ""
    hidden = "the hidden ones remain"
    if check.hidden:
        hidden = f"{check.hidden} hidden {'remains' if check.hidden == 1 else 'remain'}"
    return (
        f"✓ {_name(exercise, check)}: visible checks passed{earned} — {hidden}, "
        "run `roadmap check`."
    )


def failed(exercise: Exercise, check: Check, error: BaseException | None) -> str:
    """That the check did not pass, and what to do now."""
    name = _name(exercise, check)
    again = "run that cell, then run this check again."
    if isinstance(error, NotImplementedError):
        return f"✗ {name}: no answer yet — write it in the answer cell above, {again}"
    if isinstance(error, NameError) and error.name:
        return (
            f"✗ {name}: the name `{error.name}` does not exist yet — "
            f"write your answer in the cell above, {again}"
        )
    if isinstance(error, KeyboardInterrupt):
        return (
            f"✗ {name}: stopped before it ended — look for a loop that never ends in "
            f"your answer cell, change it, {again}"
        )
    return (
        f"✗ {name}: not yet — change your answer cell, run it, "
        "then run this check again."
    )


def next_step(course: Course, check: Check, progress: Snapshot) -> Line:
    """Where to go on after ``check`` has passed: in this lesson while something is left there."""
    lessons = list(course.lessons())
    here = next(n for n, (_, lesson) in enumerate(lessons) if check in _checks(lesson))
    phase, lesson = lessons[here]
    step = _next_in(lesson, check, progress)
    if step:
        return (step,)
    for there, following in (*lessons[here + 1 :], *lessons[:here]):
        if not all(_done(one, progress) for one in _checks(following)):
            link = Link(plain(following.title), _path(phase, there, following))
            return ("Every exercise of this lesson is ticked. Next: ", link)
    return ("Every exercise of this lesson is ticked, and of the whole course.",)


def _next_in(lesson: Lesson, check: Check, progress: Snapshot) -> str | None:
    """The next thing to do in ``lesson``: first what follows ``check``, then what was skipped."""
    exercises = lesson.exercises
    at = next(n for n, exercise in enumerate(exercises) if check in exercise.checks)
    for number, one in enumerate(exercises[at].checks, 1):
        if not _done(one, progress):
            return f"Next: check {number} of this exercise."
    for exercise in (*exercises[at:], *exercises[:at]):
        if not all(_done(one, progress) for one in exercise.checks):
            where = "above" if exercise in exercises[:at] else "below"
            return f"Next: the exercise “{plain(exercise.title)}”, {where}."
    return None


def as_text(lines: Iterable[Line]) -> str:
    """The lines for a front end without HTML; of a link the path is shown."""
    return "\n".join(
        "".join(
            f"{part.title} ({part.path})" if isinstance(part, Link) else part
            for part in line
        )
        for line in lines
    )


def as_html(lines: Iterable[Line], traceback: str | None) -> str:
    """The lines as HTML; the traceback, when there is one, is folded below them."""
    page = "".join(
        f'<p style="margin: 0.25em 0">{"".join(map(_part, line))}</p>' for line in lines
    )
    if traceback is not None:
        page += (
            '<details><summary style="cursor: pointer">Traceback: where it happened'
            '</summary><pre style="white-space: pre; overflow-x: auto">'
            f"{html.escape(traceback)}</pre></details>"
        )
    return f'<div style="padding: 0.25em 0.5em">{page}</div>'


def _part(part: str | Link) -> str:
    if isinstance(part, Link):
        return f'<a href="{html.escape(part.path)}">{html.escape(part.title)}</a>'
    text = _CODE.sub(r"<code>\1</code>", html.escape(part))
    for mark, colour in _COLOURS.items():
        if text.startswith(mark):
            text = f'<b style="color: {colour}">{mark}</b>{text.removeprefix(mark)}'
    return text


def _name(exercise: Exercise, check: Check) -> str:
    name = plain(exercise.title)
    if len(exercise.checks) > 1:
        name += f" (check {exercise.checks.index(check) + 1} of {len(exercise.checks)})"
    return name


def _checks(lesson: Lesson) -> list[Check]:
    return [check for exercise in lesson.exercises for check in exercise.checks]


def _done(check: Check, progress: Snapshot) -> bool:
    return check.id in progress.checks and progress.checks[check.id].passed


def _path(here: Phase, there: Phase, lesson: Lesson) -> str:
    """The lesson's notebook as seen from a lesson of the phase ``here``."""
    return f"{'' if there is here else f'../{there.name}/'}{lesson.name}.ipynb"


def _count(number: float, what: str) -> str:
    return f"{number:g} {what}" if number == 1 else f"{number:g} {what}s"
