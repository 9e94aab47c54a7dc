"""The checklist's pieces as HTML, drawn by the front end's own output renderer.

Native elements only (details, progress, links), so keyboard and screen reader
work; colours come from JupyterLab's theme, with fallbacks for other front ends.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from datetime import date
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import quote

from roadmap.progress import words
from roadmap.progress.activity import Activity
from roadmap.progress.model import (
    Checklist,
    ExerciseProgress,
    GoalProgress,
    LessonProgress,
    PhaseProgress,
    Status,
    SystemProgress,
    Tally,
    plain,
)
from roadmap.progress.overview import Overview
from roadmap.progress.plan import Schedule, lesson_hours
from roadmap.progress.records import Evidence
from roadmap.progress.repeat import Repetition
from roadmap.progress.table import ALL_DONE, MARKS
from roadmap.progress.tips import Tip

CELL = 14  # pixels from one day of the plot to the next
MOST_REPETITIONS = 5
_WEB_LINK = re.compile(r"\[([^\]]+)\]\((https?://[^)\s]+)\)")


@cache
def style() -> str:
    """The style of all pieces; it is drawn once, with the header."""
    css = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    return f"<style>{css}</style>"


def header(overview: Overview) -> str:
    """How far everything is, and the next step. Carries the style for all pieces."""
    checklist = overview.checklist
    tally = Tally.of(*checklist.lessons)
    share = round(100 * tally.done / tally.exercises) if tally.exercises else 0
    return _piece(
        f'<p class="rm-heading" role="heading" aria-level="2">Your progress</p>'
        f'<progress class="rm-wide" value="{tally.done}" max="{max(tally.exercises, 1)}" '
        f'aria-label="all exercises"></progress>'
        f'<p class="rm-line rm-between"><span class="rm-sums">{_sums(tally)}</span>'
        f'<span class="rm-muted">{share} %</span></p>'
        f"{_next(checklist)}",
        style(),
    )


def _next(checklist: Checklist) -> str:
    lesson = checklist.next_lesson
    if lesson is None:
        return f"<p>{ALL_DONE}</p>"
    begun = lesson.status is Status.STARTED
    exercise = lesson.next_exercise
    after = (
        f" — go on with “{_text(exercise.exercise.title)}”"
        if exercise and begun
        else f' <span class="rm-muted">{words.about(lesson.lesson)}</span>'
    )
    target = _exercise_href(lesson, exercise) if exercise and begun else _href(lesson)
    return (
        f'<div class="rm-card rm-next rm-line rm-between"><div>Next: '
        f"<b>{_text(lesson.lesson.title)}</b>{after}</div>"
        f'<a class="rm-button" href="{target}">'
        f"{'Go on' if begun else 'Open the lesson'}</a></div>"
    )


def help_for_today(overview: Overview) -> str:
    """Tips and what to repeat, side by side where there is room; empty if there is neither."""
    cards = []
    if overview.tips:
        items = "".join(f"<li>{_tip(tip)}</li>" for tip in overview.tips)
        if reading := overview.tips[0].resource:
            items += f"<li>To read: {_markdown(reading)}</li>"
        cards.append(_card("Tips for you", "", items))
    if overview.repetitions:
        shown = overview.repetitions[:MOST_REPETITIONS]
        items = "".join(
            f"<li>{_repetition(one, overview.checklist)}</li>" for one in shown
        )
        more = len(overview.repetitions) - len(shown)
        if more:
            items += f'<li class="rm-muted">{words.waiting(more)}</li>'
        how = "Empty the answer cell, write it again from memory, run its checks."
        cards.append(_card("Do again today", how, items))
    return _piece(f'<div class="rm-cards">{"".join(cards)}</div>' if cards else "")


def _card(title: str, text: str, items: str) -> str:
    lead = f'<p class="rm-muted">{text}</p>' if text else ""
    return (
        f'<div class="rm-card"><p class="rm-heading" role="heading" aria-level="3">'
        f"{title}</p>{lead}<ul>{items}</ul></div>"
    )


def _tip(tip: Tip) -> str:
    where = " and ".join(
        f'<a href="{_exercise_href(*place)}">{_text(place[1].exercise.title)}</a>'
        for place in tip.exercises[:2]
    )
    times = words.times(tip.times)
    if tip.mistake:
        said = f"<b>{_text(words.sentence(tip.mistake))}.</b> Seen in {where}, {times}."
    else:
        said = f"{where} has failed {times}."
    if tip.hidden:
        said += f" {words.HIDDEN}"
    again = ", ".join(
        f'<a href="{_href(place.lesson, place.heading)}">{_text(place.heading)}</a>'
        for place in tip.read
    )
    return f"{said} Read again: {again}."


def _repetition(one: Repetition, checklist: Checklist) -> str:
    (lesson,) = (
        lesson
        for lesson in checklist.lessons
        if (lesson.phase, lesson.lesson.name) == (one.phase, one.lesson)
    )
    return (
        f'<a href="{_exercise_href(lesson, one.exercise)}">'
        f"{_text(one.exercise.exercise.title)}</a> "
        f'<span class="rm-muted">{_text(lesson.lesson.title)} · '
        f"{words.ordinal(one.number)} time</span>"
    )


def plan_heading() -> str:
    """The title above the plan's controls."""
    return _section("Your plan")


def plan(overview: Overview) -> str:
    """Where the learner stands, or what is missing for a plan."""
    status = overview.schedule
    late = status is not None and status.words.endswith("behind your plan")
    said = "".join(
        f'<span class="{"rm-bad" if late and not number else ""}">{_text(line)}</span> '
        for number, line in enumerate(words.plan(overview))
    )
    return _piece(f"<p>{said}</p>")


def phase(progress: PhaseProgress, overview: Overview, *, opened: bool) -> str:
    """One phase that unfolds into its lessons; one without lessons says that it is coming."""
    title = _text(progress.phase.title)
    spans = overview.schedule.phases if overview.schedule else {}
    span = spans.get(progress.phase.name)
    when = _text(words.phase_time(progress.phase, span, overview.today))
    line = f'<span class="rm-title">{title}</span> <span class="rm-when">{when}</span>'
    if not progress.lessons:
        coming = '<span class="rm-count rm-sums">coming</span>'
        return _piece(
            f'<div class="rm-phase"><p class="rm-line rm-soon">{line} {coming}</p></div>'
        )
    count = _count(Tally.of(*progress.lessons), progress.phase.title)
    lessons = "".join(_lesson(lesson, overview) for lesson in progress.lessons)
    return _piece(
        f'<details class="rm-phase"{" open" if opened else ""}>'
        f'<summary><span class="rm-line">{line} {count}</span></summary>'
        f"<ul>{lessons}</ul></details>"
    )


def phases_heading() -> str:
    """The title above the phases."""
    return _section("Lessons")


def _lesson(progress: LessonProgress, overview: Overview) -> str:
    tally = Tally.of(progress)
    exercises = "".join(_exercise(progress, item) for item in progress.exercises)
    when = _text(_lesson_time(progress, overview.schedule, overview.today))
    return (
        f'<li class="rm-lesson rm-line rm-{_css(progress.status)}">'
        f"{_status(progress.status, progress.status)} "
        f'<a href="{_href(progress)}">{_text(progress.lesson.title)}</a> '
        f'<span class="rm-when">{when}</span> '
        f'<details class="rm-count"><summary>{_count(tally, progress.lesson.title)}</summary>'
        f"<ul>{exercises}</ul></details></li>"
    )


def _lesson_time(
    progress: LessonProgress, schedule: Schedule | None, today: date
) -> str:
    hours = words.hours(lesson_hours(progress.lesson))
    spans = schedule.lessons if schedule else {}
    span = spans.get((progress.phase, progress.lesson.name))
    if span is None or span.end is None or progress.status is Status.DONE:
        return hours
    return f"{hours} · by {words.day(span.end, today)}"


def _exercise(lesson: LessonProgress, progress: ExerciseProgress) -> str:
    status = Status.DONE if progress.done else Status.NOT_BEGUN
    points = _points(progress.earned, progress.exercise.points)
    full = ""
    if progress.done and progress.full is False:
        full = '<span class="rm-bad">a hidden test fails</span>'
    elif progress.full:
        full = '<span class="rm-sums">all tests pass</span>'
    return (
        f'<li class="rm-exercise rm-line rm-{_css(status)}">'
        f"{_status(status, 'done' if progress.done else 'to do')} "
        f'<span class="rm-name">{_text(progress.exercise.title)}</span> '
        f'{full} <span class="rm-sums">{points}</span></li>'
    )


def systems(progress: Iterable[SystemProgress]) -> str:
    """The seven systems, each with its state and a link once it is there."""
    items = "".join(_system(one) for one in progress)
    return f'{_section("Seven systems")}{_piece(f"""<ul class="rm-systems">{items}</ul>""")}'


def _system(progress: SystemProgress) -> str:
    title = _text(progress.system.title)
    if progress.lessons:
        following = next(
            (one for one in progress.lessons if one.status is not Status.DONE),
            progress.lessons[0],
        )
        title = f'<a href="{_href(following)}">{title}</a>'
    return (
        f'<li class="rm-line rm-{_css(progress.status)}">'
        f"{_status(progress.status, progress.status)} <span>{title}</span></li>"
    )


def goals_heading() -> str:
    """The title above the final checklist's controls."""
    return _section("Final checklist")


def goal(progress: GoalProgress) -> str:
    """What stands beside a counter."""
    status = Status.DONE if progress.done else Status.NOT_BEGUN
    return _piece(
        f'<span class="rm-{_css(status)}">{_status(status, progress.amount)}</span>'
    )


def evidence(items: Iterable[Evidence], today: date) -> str:
    """The entries below a counter."""
    return _piece(
        f'<ul class="rm-evidence">{"".join(f"<li>{_entry(e, today)}</li>" for e in items)}</ul>'
    )


def _entry(one: Evidence, today: date) -> str:
    name = _text(one.what or one.link)
    if one.link:
        name = _web_link(name, one.link)
    more = [
        text for text in (one.detail, one.day and words.day(one.day, today)) if text
    ]
    return f'{name} <span class="rm-muted">{_text(" · ".join(more))}</span>'


def activity(shown: Activity) -> str:
    """The last weeks as a small plot, and the same in words."""
    rects = "".join(
        _square(week, day, runs, shown)
        for week, days in enumerate(shown.weeks)
        for day, runs in enumerate(days)
        if runs is not None
    )
    names = "".join(
        f'<text x="0" y="{CELL * day + 10}">{name}</text>'
        for day, name in ((0, "Mon"), (2, "Wed"), (4, "Fri"))
    )
    width, height = 26 + CELL * len(shown.weeks), CELL * 7
    svg = (
        f'<svg role="img" aria-label="{escape(shown.words)}" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}">{names}{rects}</svg>'
    )
    streak = f"<b>{shown.streak}</b> {'day' if shown.streak == 1 else 'days'} in a row"
    text = f"<div><p>{streak}</p><p class='rm-muted'>{_text(shown.words)}</p></div>"
    return f'{_section("Activity")}{_piece(f"""<div class="rm-activity">{svg}{text}</div>""")}'


def _square(week: int, day: int, runs: int, shown: Activity) -> str:
    level = 0 if not runs else 1 if runs < 5 else 2 if runs < 15 else 3
    last = week == len(shown.weeks) - 1 and shown.weeks[-1][day + 1 : day + 2] in (
        (),
        (None,),
    )
    classes = f"rm-{level} rm-today" if last else f"rm-{level}"
    x, y = 26 + CELL * week, CELL * day + 1
    place = f'x="{x}" y="{y}" width="{CELL - 3}" height="{CELL - 3}"'
    return f'<rect class="{classes}" {place} rx="2"/>'


def carry_heading() -> str:
    """The title above export and import."""
    return _section("Take your progress along")


def download(text: str, name: str) -> str:
    """A link that saves ``text`` as a file called ``name``."""
    data = base64.b64encode(text.encode()).decode()
    return _piece(
        f'<a class="rm-button" download="{escape(name)}" '
        f'href="data:application/json;base64,{data}">Download as a file</a>'
    )


def notice(text: str) -> str:
    """A line that the person should see, read out when it comes; may be empty."""
    return _piece(f'<p role="alert">{_text(text)}</p>' if text else "")


def result(summary: str, text: str) -> str:
    """How a run of the checks ended: a line that is read out, and all that it said."""
    details = (
        f'<pre class="rm-result" tabindex="0" aria-label="results">{escape(text)}</pre>'
    )
    return _piece(f'<p role="alert">{_text(summary)}</p>{details if text else ""}')


def _section(title: str) -> str:
    return _piece(
        f'<p class="rm-heading rm-section" role="heading" aria-level="3">{title}</p>'
    )


def _status(status: Status, word: str) -> str:
    mark = f'<b aria-hidden="true">{MARKS[status]}</b>'
    return f'<span class="rm-status">{mark}{_text(word)}</span>'


def _href(lesson: LessonProgress, heading: str = "") -> str:
    # Relative to start_here/, or to any phase's folder: all of them lie side by side.
    # The fragment is as JupyterLab makes it of a heading.
    target = f"../{quote(lesson.phase)}/{quote(lesson.lesson.name)}.ipynb"
    return escape(
        f"{target}#{quote(plain(heading).replace(' ', '-'))}" if heading else target
    )


def _exercise_href(lesson: LessonProgress, exercise: ExerciseProgress) -> str:
    return _href(lesson, f"Exercise: {exercise.exercise.title}")


def _count(tally: Tally, label: str) -> str:
    """A bar that ``label`` names, and the same in words."""
    if not tally.exercises:
        return '<span class="rm-count rm-muted">no exercises</span>'
    return (
        f'<span class="rm-count"><progress value="{tally.done}" max="{tally.exercises}" '
        f'aria-label="{escape(plain(label))}"></progress> '
        f'<span class="rm-sums">{_sums(tally, "")}</span></span>'
    )


def _sums(tally: Tally, what: str = " exercises") -> str:
    said = f"{tally.done} of {tally.exercises}{what}"
    if tally.points:
        said += f" · {_points(tally.earned, tally.points)}"
    return said


def _points(earned: float, possible: float) -> str:
    return f"{earned:g} of {possible:g} points" if possible else ""


def _markdown(text: str) -> str:
    """Links and inline code of Markdown; all else is text."""
    pieces, at = [], 0
    for link in _WEB_LINK.finditer(text):
        pieces += [_text(text[at : link.start()]), _web_link(_text(link[1]), link[2])]
        at = link.end()
    return "".join((*pieces, _text(text[at:])))


def _web_link(name: str, link: str) -> str:
    """A link to another site, in a new tab; ``name`` is HTML."""
    return f'<a href="{escape(link)}" target="_blank" rel="noopener">{name}</a>'


def _text(text: str) -> str:
    """Escaped text, with the Markdown of inline code kept as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _css(status: Status) -> str:
    return status.replace(" ", "-")


def _piece(html: str, css: str = "") -> str:
    return f'{css}<div class="rm-checklist">{html}</div>'
