"""The ``roadmap`` command: reads the command line, calls a room, prints what it says."""

from __future__ import annotations

from roadmap.lean_imports import uncollected

# isort: split

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from roadmap.errors import RoadmapError
from roadmap.lessons.build import build as build_course
from roadmap.lessons.files import find_root
from roadmap.lessons.index import Course
from roadmap.lessons.work import course_of, find_work
from roadmap.lessons.work import start as start_work

if TYPE_CHECKING:
    from roadmap.grading import Row

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class _Commands(click.Group):
    """A group whose expected errors are one line on stderr, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RoadmapError as error:
            click.echo(str(error), err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            ctx.exit(130)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("python-backend-roadmap"), prog_name="roadmap")
def main() -> None:
    """Python Backend Roadmap: build the course, learn in it, grade a class."""


@main.command(epilog="Example: roadmap build --check")
@click.option(
    "--check", is_flag=True, help="Write nothing; exit 1 and name each stale file."
)
def build(check: bool) -> None:
    """Make source/ and release/ from the lessons in course/."""
    report = build_course(find_root(Path()), check=check)
    if check:
        for path in report.stale:
            click.echo(f"{path}: stale; run `roadmap build`")
        click.echo(f"{len(report.stale)} stale, {report.unchanged} up to date")
        sys.exit(1 if report.stale else 0)
    for path in report.written:
        click.echo(f"wrote {path}")
    for path in report.removed:
        click.echo(f"removed {path}")
    click.echo(
        f"{len(report.written)} written, {len(report.removed)} removed, "
        f"{report.unchanged} up to date"
    )


@main.command(epilog="Example: roadmap start work")
@click.argument(
    "directory", metavar="[DIR]", default="work", type=click.Path(path_type=Path)
)
def start(directory: Path) -> None:
    """Make or refresh your own copy of the lessons; your changes are never overwritten."""
    report = start_work(find_root(Path()), directory)
    for path in report.updated:
        click.echo(f"updated {path}")
    for path in report.beside:
        click.echo(f"you changed this lesson, its new version is beside it: {path}")
    for path in report.removed:
        click.echo(f"removed {path}: it is no longer in the course")
    for path in report.orphaned:
        click.echo(f"no longer in the course, your own stays: {path}")
    click.echo(
        f"{directory}: {len(report.added)} files added, {len(report.updated)} updated"
    )


_WORK = click.option(
    "--work",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your copy of the lessons.  [default: the one around you, or work/]",
)


@main.command(epilog="Example: roadmap check 09_mutable_or_not")
@click.argument("lessons", nargs=-1, metavar="[LESSON]...")
@_WORK
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a row for every notebook.",
)
def check(lessons: tuple[str, ...], work: Path | None, json_file: Path | None) -> None:
    """Grade your own work, hidden tests included, and tick the checklist.

    A LESSON is a phase, a lesson's name or its beginning (09), or a notebook's path;
    without one, all of your lessons are graded. What is graded is what is saved.
    """
    from roadmap.grading.sandbox import head_start
    from roadmap.progress import Outcome, ProgressStore

    root, work = find_work(Path()) if work is None else (course_of(work), work)
    course = Course.find(root)
    chosen = {
        (phase.name, lesson.name): lesson for phase, lesson in course.select(lessons)
    }
    with head_start(), _progress("check", None) as (bar, task):
        with uncollected():
            from roadmap.grading import check_own_work, write_rows
            from roadmap.grading.own_work import (
                describe,
                judged,
                notebook,
                unanswered,
            )

        rows = check_own_work(
            root,
            work,
            list(chosen),
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    if json_file:
        write_rows(rows, json_file)
    store = ProgressStore()
    for row in rows:
        pair = (row.assignment, row.notebook)
        todo = unanswered(root, work, *pair) if judged(row) else set()
        lesson = chosen.pop(pair)
        for line in describe(lesson, row, notebook(work, *pair), todo):
            click.echo(line)
        outcomes = {
            check.id: Outcome(
                row.cells[check.id].message is None,
                None if exercise.id in todo else row.cells[check.id].message,
                full=True,
            )
            for exercise in lesson.exercises
            for check in exercise.checks
        }
        notice = store.record(outcomes).notice if judged(row) else None
        if notice:
            click.echo(notice, err=True)
    for pair in chosen:
        click.echo(
            f"{notebook(work, *pair)}: not there; `roadmap start` brings it back"
        )
    score, of = sum(row.score for row in rows), sum(row.max_score for row in rows)
    click.echo(
        f"{score:g} of {of:g} points. This is what is saved: save a lesson, then check it."
    )


@main.command("hand-in", epilog="Example: roadmap hand-in phase1_basics --student ada")
@click.argument("assignment")
@click.option(
    "--student", metavar="ID", help="The id that your instructor knows you by."
)
@_WORK
def hand_in(assignment: str, student: str | None, work: Path | None) -> None:
    """Hand in your notebooks of ASSIGNMENT (a phase): to nbgrader's exchange, or as a zip.

    Refuses, and names the files, when a notebook is missing or cannot be read.
    """
    from roadmap.grading.hand_in import hand_in as give

    root, work = find_work(Path()) if work is None else (course_of(work), work)
    phase = Course.find(root).phase(assignment)
    handed_in = give(root, work, phase, student)
    for lesson, number in handed_in.to_do.items():
        have = "exercise has" if number == 1 else "exercises have"
        click.echo(f"{lesson}: {number} {have} no answer yet")
    if handed_in.place:
        click.echo(f"wrote {handed_in.place}; send this file to your instructor")
    else:
        click.echo(f"{assignment}: handed in through nbgrader's exchange")


@main.group(epilog="Example: roadmap progress show")
def progress() -> None:
    """See your progress, and take it along to another computer."""


@progress.command(epilog="Example: roadmap progress show")
def show() -> None:
    """Print the checklist: what is done, what is next, and what may help."""
    from roadmap.progress import as_table, current_overview

    overview = current_overview(Path())
    click.echo(as_table(overview))
    if overview.snapshot.notice:
        click.echo(overview.snapshot.notice, err=True)


@progress.command("export", epilog="Example: roadmap progress export progress.json")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export_progress(file: Path) -> None:
    """Write your progress to FILE, for `roadmap progress import`."""
    from roadmap.progress import ProgressStore
    from roadmap.progress.exchange import write_export

    write_export(file, ProgressStore().read())
    click.echo(f"wrote {file}")


@progress.command("import", epilog="Example: roadmap progress import progress.json")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def import_progress(file: Path) -> None:
    """Add the progress in FILE to yours; nothing that you have is lost."""
    from roadmap.progress import ProgressStore
    from roadmap.progress.exchange import import_into, read_export_file

    click.echo(import_into(ProgressStore(), read_export_file(file)))


@main.command(epilog="Example: roadmap run phase1_basics --workers 2")
@click.argument("lessons", nargs=-1, metavar="[LESSON]...")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Notebooks at once.  [default: cores]"
)
def run(lessons: tuple[str, ...], workers: int | None) -> None:
    """Execute the notebooks of source/ with papermill; exit 1 if one fails.

    They run in the grader's kernel, or in an ordinary one where the host has no sandbox.
    """
    from roadmap.grading.sandbox import KERNEL_NAME, available, served
    from roadmap.lessons.run import RunResult
    from roadmap.lessons.run import run as run_lessons

    root = find_root(Path())
    chosen = Course.find(root).select(lessons)
    pairs = [(phase.name, lesson.name) for phase, lesson in chosen]
    with _progress("run", len(pairs)) as (bar, task):

        def show(result: RunResult) -> None:
            bar.advance(task)

        with nullcontext() if available() else served():
            kernel = None if available() else KERNEL_NAME
            results = run_lessons(
                root, pairs, workers=workers, kernel_name=kernel, on_result=show
            )
    for result in results:
        state = "ok" if result.error is None else f"FAILED: {result.error}"
        click.echo(
            f"source/{result.phase}/{result.lesson}.ipynb  {result.seconds:.1f} s  {state}"
        )
    failed = sum(result.error is not None for result in results)
    click.echo(f"{len(results) - failed} ran clean, {failed} failed")
    sys.exit(1 if failed else 0)


@main.command(epilog="Example: roadmap audit 09_mutable_or_not --json audit.json")
@click.argument("lessons", nargs=-1, metavar="[LESSON]...")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Kernels at once.  [default: cores]"
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a row for every exercise.",
)
def audit(
    lessons: tuple[str, ...], workers: int | None, json_file: Path | None
) -> None:
    """Try every named answer and mutants of the solutions; exit 1 if the checks are weak."""
    from roadmap.audit import audit as audit_lessons
    from roadmap.audit import (
        lesson_table,
        remarks,
        renew_mistakes,
        write_page,
        write_rows,
    )

    root = find_root(Path())
    course = Course.find(root)
    chosen = course.select(lessons)
    with _progress("audit", None) as (bar, task):
        audits = audit_lessons(
            root,
            chosen,
            workers=workers,
            on_progress=lambda done, total: bar.update(
                task, completed=done, total=total
            ),
        )
    if json_file:
        write_rows(json_file, audits)
    if renew_mistakes(root, course, audits):
        click.echo(
            "course/start_here/mistakes.json: renewed; run `roadmap build` to release it"
        )
    for line in remarks(audits):
        click.echo(line)
    out.print(lesson_table(audits))
    click.echo(f"page: {write_page(root, audits).relative_to(root)}")
    sys.exit(0 if all(lesson.passes for lesson in audits) else 1)


_ROOT = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="An nbgrader course directory: where its nbgrader_config.py is.  [default: .]",
)
_STUDENT = click.option(
    "--student", "students", multiple=True, help="Only this student; repeat."
)


@main.command(epilog="Example: roadmap grade phase1_basics --json grades.json")
@click.argument("assignment")
@_ROOT
@_STUDENT
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Submissions at once.  [default: cores; with --scheduler what its workers take]",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Run on the workers of a Dask scheduler, e.g. tcp://host:8786.",
)
@click.option("--force", is_flag=True, help="Grade again what is graded and unchanged.")
@click.option(
    "--no-sandbox",
    is_flag=True,
    help="Run learners' code with your own rights. Only where you trust it.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a row for every notebook of every submission.",
)
def grade(
    assignment: str,
    root: Path,
    students: tuple[str, ...],
    workers: int | None,
    scheduler: str | None,
    force: bool,
    no_sandbox: bool,
    json_file: Path | None,
) -> None:
    """Grade submitted/*/ASSIGNMENT into autograded/ and the gradebook."""
    from roadmap.grading.sandbox import head_start

    # nbgrader takes long to import: what has its own processes starts before that.
    with nullcontext() if no_sandbox or scheduler else head_start():
        with uncollected():
            from roadmap.grading import grade as grade_class
            from roadmap.grading import write_rows

        with _progress("grade", None) as (bar, task):
            rows = grade_class(
                assignment,
                root,
                students=students,
                workers=workers,
                force=force,
                sandbox=not no_sandbox,
                scheduler=scheduler,
                on_progress=lambda done, total: bar.update(
                    task, completed=done, total=total
                ),
            )
    if json_file:
        write_rows(rows, json_file)
    _show_grades(assignment, rows)


@main.command(epilog="Example: roadmap feedback phase1_basics --student ada")
@click.argument("assignment")
@_ROOT
@_STUDENT
def feedback(assignment: str, root: Path, students: tuple[str, ...]) -> None:
    """Write feedback/*/ASSIGNMENT: safe HTML pages, an overview and one for each notebook."""
    from roadmap.grading import feedback as write_feedback

    pages = write_feedback(assignment, root, students=students)
    click.echo(f"{len(pages)} feedback pages written")


@main.command(
    epilog="Example: roadmap export phase1_basics --format canvas -o grades.csv"
)
@click.argument("assignments", nargs=-1, metavar="[ASSIGNMENT]...")
@_ROOT
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "canvas", "moodle"]),
    default="csv",
    show_default=True,
    help="For a spreadsheet, or to be imported by Canvas or Moodle.",
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path))
def export(
    assignments: tuple[str, ...], root: Path, kind: str, output: Path | None
) -> None:
    """Write the gradebook's grades as CSV, to FILE or to the terminal."""
    from roadmap.grading import export as export_grades
    from roadmap.grading import write_text

    text = export_grades(root, assignments, kind)
    if output:
        write_text(output, text)
    else:
        click.echo(text, nl=False)


@main.command(epilog="Example: roadmap demo")
def demo() -> None:
    """Release, hand in, grade and give feedback to a small made-up class in demo/."""
    from roadmap.grading.demo import run_demo

    with _progress("grade", None) as (bar, task):
        result = run_demo(
            find_root(Path()),
            on_progress=lambda done, total: bar.update(
                task, completed=done, total=total
            ),
        )
    _show_grades(result.assignment, result.rows)
    for line in result.lines:
        click.echo(line)
    sys.exit(1 if result.surprises else 0)


def _show_grades(assignment: str, rows: list[Row]) -> None:
    """The table of marks, then a line for each row that needs a word."""
    table = Table(title=assignment, title_justify="left")
    for name in ("student", "notebook", "status"):
        table.add_column(name, no_wrap=True)
    for name in ("score", "of", "seconds"):
        table.add_column(name, justify="right")
    for row in rows:
        marks = (f"{row.score:g}", f"{row.max_score:g}", f"{row.seconds:.1f}")
        table.add_row(row.student, row.notebook, row.status, *marks)
    out.print(table)
    for row in rows:
        if row.message:
            click.echo(f"{row.student} {row.notebook}: {row.message}")


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar with the time left, on a terminal; nothing elsewhere."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    hidden = not err.is_terminal or "CI" in os.environ
    with Progress(*columns, console=err, transient=True, disable=hidden) as bar:
        yield bar, bar.add_task(what, total=total)


if __name__ == "__main__":
    main()
