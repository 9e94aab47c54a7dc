"""The checklist's pieces as HTML, drawn by the front end's own output renderer.

Native elements only (details, progress, links), so keyboard and screen reader
work; colours come from JupyterLab's theme, with fallbacks for other front ends.
"""

from __future__ import annotations

import re
from html import escape
from urllib.parse import quote

from roadmap.progress.model import (
    Checklist,
    ExerciseProgress,
    GoalProgress,
    LessonProgress,
    PhaseProgress,
    Status,
    Tally,
    plain,
)
from roadmap.progress.table import ALL_DONE, MARKS

STYLE = """<style>
.rm-checklist {
  --rm-muted: var(--jp-ui-font-color2, GrayText);
  --rm-line: var(--jp-border-color2, #8886);
  --rm-done: var(--jp-success-color1, #2e7d32);
  --rm-started: var(--jp-warn-color0, #b26a00);
  color: var(--jp-content-font-color1, inherit);
  line-height: 1.5; max-width: 56em;
}
.rm-checklist p { margin: 0; }
.rm-checklist ul.rm-list { list-style: none; margin: 0; padding: 0; }
.rm-checklist summary { cursor: pointer; }
.rm-checklist summary:focus-visible, .rm-checklist a:focus-visible {
  outline: 2px solid var(--jp-brand-color1, Highlight); outline-offset: 2px; border-radius: 2px;
}
.rm-checklist progress {
  accent-color: var(--jp-brand-color1, auto); vertical-align: middle;
  width: 6em; max-width: 100%; height: .7em;
}
.rm-heading { font-weight: 600; font-size: 1.15em; }
.rm-muted { color: var(--rm-muted); }
.rm-sums { color: var(--rm-muted); font-variant-numeric: tabular-nums; }
.rm-line { display: flex; flex-wrap: wrap; gap: .1em .8em; align-items: baseline; }
.rm-phase { border-top: 1px solid var(--rm-line); padding: .4em 0; }
.rm-phase > summary > .rm-line { display: inline-flex; width: calc(100% - 1.5em); }
.rm-title { font-weight: 600; flex: 1 1 12em; }
.rm-count { flex: 0 1 25em; }
.rm-soon { padding-left: 1em; }
.rm-lesson { padding: .2em 0 .2em 1em; }
.rm-lesson > a { flex: 1 1 12em; }
.rm-lesson > details[open] { flex-basis: 100%; padding-left: 2em; }
.rm-status { flex: 0 0 6.5em; white-space: nowrap; }
.rm-status b { display: inline-block; width: 1.4em; font-weight: 700; }
.rm-exercise { padding-left: 1.1em; max-width: 42em; }
.rm-exercise > .rm-status { flex-basis: 4.5em; }
.rm-exercise > .rm-name { flex: 1 1 8em; }
.rm-not-begun .rm-status b { color: var(--rm-muted); }
.rm-done .rm-status { color: var(--rm-done); }
.rm-started .rm-status { color: var(--rm-started); }
</style>"""


def header(checklist: Checklist) -> str:
    """How far everything is, and the next step. Carries the style for all pieces."""
    tally = Tally.of(*checklist.lessons)
    following = checklist.next_lesson
    step = f"Next: {_link(following)}" if following else ALL_DONE
    return _piece(
        f'<p class="rm-heading" role="heading" aria-level="2">Your progress</p>'
        f"<p>{_count(tally, 'all exercises')}</p>"
        f"<p>{step}</p>",
        STYLE,
    )


def phase(progress: PhaseProgress, *, opened: bool) -> str:
    """One phase that unfolds into its lessons; one without lessons says that it is coming."""
    title = _text(progress.phase.title)
    duration = f'<span class="rm-muted">{_text(progress.phase.duration)}</span>'
    line = f'<span class="rm-title">{title}</span> {duration}'
    if not progress.lessons:
        coming = '<span class="rm-sums">coming</span>'
        return _piece(
            f'<div class="rm-phase"><p class="rm-line rm-soon">{line} {coming}</p></div>'
        )
    count = _count(Tally.of(*progress.lessons), progress.phase.title)
    lessons = "".join(_lesson(lesson) for lesson in progress.lessons)
    return _piece(
        f'<details class="rm-phase"{" open" if opened else ""}>'
        f'<summary><span class="rm-line">{line} {count}</span></summary>'
        f'<ul class="rm-list">{lessons}</ul></details>'
    )


def goals_heading() -> str:
    """The title above the final checklist's controls."""
    return _piece(
        '<div class="rm-phase"><p class="rm-heading" role="heading" aria-level="2">'
        "Final checklist</p></div>"
    )


def goal(progress: GoalProgress) -> str:
    """What stands beside a counter."""
    status = Status.DONE if progress.done else Status.NOT_BEGUN
    return _piece(
        f'<span class="rm-{_css(status)}">{_status(status, progress.amount)}</span>'
    )


def notice(text: str) -> str:
    """A line that the person should see, read out when it changes; may be empty."""
    return _piece(f'<span role="status">{_text(text)}</span>')


def _lesson(progress: LessonProgress) -> str:
    tally = Tally.of(progress)
    exercises = "".join(_exercise(item) for item in progress.exercises)
    return (
        f'<li class="rm-lesson rm-line rm-{_css(progress.status)}">'
        f"{_status(progress.status, progress.status)} {_link(progress)} "
        f'<details class="rm-count"><summary>{_count(tally, progress.lesson.title)}</summary>'
        f'<ul class="rm-list">{exercises}</ul></details></li>'
    )


def _exercise(progress: ExerciseProgress) -> str:
    status = Status.DONE if progress.done else Status.NOT_BEGUN
    points = _points(progress.earned, progress.exercise.points)
    return (
        f'<li class="rm-exercise rm-line rm-{_css(status)}">'
        f"{_status(status, 'done' if progress.done else 'to do')} "
        f'<span class="rm-name">{_text(progress.exercise.title)}</span> '
        f'<span class="rm-sums">{points}</span></li>'
    )


def _status(status: Status, word: str) -> str:
    mark = f'<b aria-hidden="true">{MARKS[status]}</b>'
    return f'<span class="rm-status">{mark}{_text(word)}</span>'


def _link(progress: LessonProgress) -> str:
    # Relative to start_here/, or to any phase's folder: all of them lie side by side.
    target = f"../{quote(progress.phase)}/{quote(progress.lesson.name)}.ipynb"
    return f'<a href="{escape(target)}">{_text(progress.lesson.title)}</a>'


def _count(tally: Tally, label: str) -> str:
    """A bar that ``label`` names, and the same in words."""
    if not tally.exercises:
        return '<span class="rm-count rm-muted">no exercises</span>'
    words = f"{tally.done} of {tally.exercises} exercises"
    if tally.points:
        words += f" · {_points(tally.earned, tally.points)}"
    return (
        f'<span class="rm-count"><progress value="{tally.done}" max="{tally.exercises}" '
        f'aria-label="{escape(plain(label))}"></progress> '
        f'<span class="rm-sums">{words}</span></span>'
    )


def _points(earned: float, possible: float) -> str:
    return f"{earned:g} of {possible:g} points" if possible else ""


def _text(text: str) -> str:
    """Escaped text, with the Markdown of inline code kept as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _css(status: Status) -> str:
    return status.replace(" ", "-")


def _piece(html: str, style: str = "") -> str:
    return f'{style}<div class="rm-checklist">{html}</div>'
