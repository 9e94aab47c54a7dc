"""The audit as a page for authors: one file, no scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from roadmap.audit.store import FOLDER, write
from roadmap.audit.table import seconds, worst_first
from roadmap.audit.verdicts import ExerciseAudit, LessonAudit

PAGE = FOLDER / "index.html"
STYLE = """
:root { color-scheme: light dark; --line: #8886; --good: #2e7d32; --bad: #c62828; }
@media (prefers-color-scheme: dark) { :root { --good: #81c784; --bad: #ef9a9a; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3em .6em; text-align: right; }
th:first-child, :is(th, td):last-child { text-align: left; }
code { overflow-wrap: anywhere; }
meter { width: 9em; height: 1em; vertical-align: middle; }
.bad { color: var(--bad); font-weight: 600; } .good { color: var(--good); }
pre { border-left: 3px solid var(--line); padding: .2em .8em; overflow-x: auto; }
del, ins { text-decoration: none; display: block; }
del { color: var(--bad); } ins { color: var(--good); }
.scroll { overflow-x: auto; }
"""


def write_page(root: Path, lessons: Sequence[LessonAudit]) -> Path:
    """Write the page and return where it is.

    Raises:
        RoadmapError: the file cannot be written.
    """
    write(root / PAGE, "\n".join(_page(lessons)) + "\n")
    return root / PAGE


def _page(lessons: Sequence[LessonAudit]) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>Audit</title><style>{STYLE}</style></head><body><main>"
    failed = sum(not lesson.passes for lesson in lessons)
    yield "<h1>Are the checks any good?</h1>"
    yield (
        f"<p>Lessons: {len(lessons)}; below what is asked: {failed}. A <em>mutant</em> is "
        "the reference answer with one thing changed; the checks have to fail it.</p>"
    )
    yield '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">lesson</th>'
    for name in ("answers", "mutants", "excused", "hidden only", "faults", "seconds"):
        yield f'<th scope="col">{name}</th>'
    yield '<th scope="col">mutants that fail</th></tr></thead><tbody>'
    ordered = worst_first(lessons)
    for lesson in ordered:
        yield _row(lesson)
    yield "</tbody></table></div>"
    for lesson in ordered:
        yield from _details(lesson)
    yield "</main></body></html>"


def _row(lesson: LessonAudit) -> str:
    mark = (
        '<span class="good">✓</span>' if lesson.passes else '<span class="bad">✗</span>'
    )
    word = "passes" if lesson.passes else "fails"
    name = escape(f"{lesson.phase}/{lesson.name}")
    cells = (
        f"{lesson.total('named_good')} of {lesson.total('named')}",
        f"{lesson.total('killed')} of {lesson.total('mutants')}",
        lesson.total("excused"),
        lesson.total("late"),
        len(lesson.faults),
        f"{seconds(lesson):.1f}",
    )
    rate, least = lesson.mutant_rate, lesson.thresholds.mutants
    bar = (
        f'<meter min="0" max="100" low="{least:g}" high="{least:g}" optimum="100" '
        f'value="{rate:.1f}" aria-label="mutants that fail">{rate:.0f} %</meter> {rate:.0f} %'
    )
    middle = "".join(f"<td>{cell}</td>" for cell in cells)
    return (
        f'<tr><th scope="row"><a href="#{name}">{mark} {name}</a> '
        f"<small>{word}</small></th>{middle}<td>{bar}</td></tr>"
    )


def _details(lesson: LessonAudit) -> Iterator[str]:
    name = escape(f"{lesson.phase}/{lesson.name}")
    yield f'<h2 id="{name}">{escape(lesson.title)}</h2><p><code>{name}</code></p>'
    if lesson.faults:
        yield "<h3>Faults</h3><ul>"
        for fault in lesson.faults:
            where = escape(f"{fault.path}:{fault.line}")
            yield f"<li><code>{where}</code> {escape(fault.message)}</li>"
        yield "</ul>"
    if lesson.survivors:
        yield "<h3>Mutants that pass every check</h3>"
        for survivor in lesson.survivors:
            where = escape(f"{survivor.path}:{survivor.line}")
            yield f"<p><code>{where}</code> {escape(survivor.operator)}</p>"
            yield f"<pre>{_diff(survivor.diff)}</pre>"
    yield '<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">exercise</th>'
    for head in (
        "answers",
        "mutants",
        "there are",
        "excused",
        "hidden only",
        "seconds",
    ):
        yield f'<th scope="col">{head}</th>'
    yield '<th scope="col">run in</th></tr></thead><tbody>'
    for exercise in lesson.exercises:
        yield _exercise(exercise)
    yield "</tbody></table></div>"


def _exercise(exercise: ExerciseAudit) -> str:
    cells = (
        f"{exercise.named_good} of {exercise.named}",
        f"{exercise.killed} of {exercise.mutants}" if exercise.possible else "none",
        exercise.possible,
        exercise.excused,
        exercise.late,
        f"{exercise.seconds:.2f}",
    )
    middle = "".join(f"<td>{cell}</td>" for cell in cells)
    where = escape(f"{exercise.path}:{exercise.line}")
    how = escape(exercise.alone) if exercise.alone else "forks"
    return (
        f'<tr><th scope="row">{escape(exercise.title)} <small><code>{where}</code></small>'
        f"</th>{middle}<td>{how}</td></tr>"
    )


def _diff(diff: str) -> str:
    tags = {"-": "del", "+": "ins"}
    lines = []
    for line in diff.splitlines():
        tag = tags.get(line[:1])
        text = escape(line)
        lines.append(f"<{tag}>{text}</{tag}>" if tag else f"{text}\n")
    return "".join(lines)
