"""Feedback pages: one for each graded notebook, and an overview for each learner.

They are plain HTML: no script, nothing that is fetched from anywhere, nothing of the
hidden tests, and nothing of a learner that could act.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from nbformat import ValidationError
from nbgrader.converters import GenerateFeedback
from nbgrader.preprocessors import ClearHiddenTests
from pygments.formatters import HtmlFormatter

from roadmap.errors import RoadmapError
from roadmap.grading.course import NbgraderCourse
from roadmap.grading.gradebook import ClassGradebook, NotebookMarks
from roadmap.grading.hidden_tests import take_out_hidden_tests
from roadmap.grading.publish import move_into_place, new_folder
from roadmap.grading.rows import Row
from roadmap.grading.safe_html import SafePage
from roadmap.grading.views import NotebookView, view

# nbgrader's release_feedback reads these beside the pages.
_FOR_RELEASE = ("timestamp.txt", "submission_secret.txt")
# A second wall: even what slips through the cleaning runs nothing and asks nobody.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)


def feedback(
    assignment: str, root: Path, *, students: Sequence[str] = ()
) -> list[Path]:
    """Write ``feedback/*/ASSIGNMENT``: an overview and a page for each autograded notebook.

    Pages show marks, comments and what the checks said. Hidden tests are taken out,
    unless ``c.Grader.show_hidden_tests``; what learners wrote or printed cannot act.

    Returns:
        The pages written, students in order, the overview of each first.

    Raises:
        UsageError: there is no such course, graded assignment or student.
        RoadmapError: pages of some student could not be made; the others are written.
    """
    course = NbgraderCourse(root)
    written: list[Path] = []
    failed: list[str] = []
    with course.alone(assignment), ClassGradebook.open(course) as gradebook:
        for student, folder in course.graded(assignment, students).items():
            marks = gradebook.marks(assignment, student)
            try:
                written += _write_pages(course, assignment, student, folder, marks)
            except RoadmapError as error:
                failed.append(f"{student} ({error})")
    if failed:
        raise RoadmapError(
            f"no feedback for {'; '.join(failed)}; {len(written)} pages of the others are written"
        )
    return written


@dataclass(frozen=True)
class Entry:
    """A line of the overview; ``page`` is None for a notebook that has none."""

    marks: NotebookMarks
    page: str | None
    view: NotebookView | None
    remark: str | None


def _write_pages(
    course: NbgraderCourse,
    assignment: str,
    student: str,
    folder: Path,
    marks: Sequence[NotebookMarks],
) -> list[Path]:
    if not marks:
        raise RoadmapError(
            f"no marks in the gradebook; run `roadmap grade {assignment}`"
        )
    target = course.folder(course.coursedir.feedback_directory, student, assignment)
    new = new_folder(target)
    try:
        new.mkdir(parents=True)
        remarks = _remarks(course, assignment, student, marks)
        entries = [
            _write_notebook(course, student, folder, new, found, remarks)
            for found in marks
        ]
        overview = _overview_name(entries)
        content = {"assignment": assignment, "student": student, "entries": entries}
        _write(new / overview, "overview.html.j2", **content)
        for name in _FOR_RELEASE:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, new / name)
        settings = GenerateFeedback(coursedir=course.coursedir, parent=course.app)
        move_into_place(course, new, target, settings.permissions)
    except OSError as error:
        raise RoadmapError(f"{target}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return [target / name for name in [overview, *[e.page for e in entries if e.page]]]


def _write_notebook(
    course: NbgraderCourse,
    student: str,
    folder: Path,
    new: Path,
    marks: NotebookMarks,
    remarks: Mapping[str, str],
) -> Entry:
    path = folder / f"{marks.name}.ipynb"
    remark = remarks.get(marks.name)
    if not path.is_file():
        return Entry(marks, None, None, remark or "no graded notebook")
    try:
        nb = nbformat.read(path, as_version=4)
    except (ValueError, AttributeError, ValidationError) as error:
        raise RoadmapError(f"{path}: cannot be read: {error}") from error
    if not course.grader.show_hidden_tests:
        markers = ClearHiddenTests(parent=course.app)
        take_out_hidden_tests(
            nb, markers.begin_test_delimeter, markers.end_test_delimeter
        )
    shown = view(nb, marks, SafePage(folder))
    page = f"{marks.name}.html"
    _write(
        new / page, "notebook.html.j2", student=student, notebook=shown, remark=remark
    )
    return Entry(marks, page, shown, remark)


def _overview_name(entries: Sequence[Entry]) -> str:
    taken = {entry.page for entry in entries}
    return "overview.html" if "index.html" in taken else "index.html"


def _remarks(
    course: NbgraderCourse,
    assignment: str,
    student: str,
    marks: Sequence[NotebookMarks],
) -> dict[str, str]:
    """What grading said of whole notebooks, if the marks are still those of that grading."""
    try:
        text = course.record(assignment, student).read_text(encoding="utf-8")
        rows = [Row.from_dict(row) for row in json.loads(text)["rows"]]
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # graded by nbgrader, or by another version
    automatic = {
        found.name: {name: mark.automatic for name, mark in found.cells.items()}
        for found in marks
    }
    return {
        row.notebook: row.message
        for row in rows
        if row.message
        and automatic.get(row.notebook)
        == {name: cell.score for name, cell in row.cells.items()}
    }


def _write(path: Path, template: str, **content: object) -> None:
    text = _templates().get_template(template).render(content)
    path.write_text(text, encoding="utf-8", errors="replace")


@cache
def _templates() -> Environment:
    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["points"] = lambda value: f"{round(value, 2):g}"
    light, dark = (
        Markup(HtmlFormatter(style=style).get_style_defs(".highlight"))  # noqa: S704
        for style in ("default", "github-dark")
    )
    style = Markup((folder / "style.css").read_text(encoding="utf-8"))  # noqa: S704
    environment.globals.update(policy=POLICY, style=style, light=light, dark=dark)
    return environment
