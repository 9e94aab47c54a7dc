"""Feedback pages: nbgrader's, without scripts and without the hidden tests."""

from __future__ import annotations

import glob
import html
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import bleach  # type: ignore[import-untyped]
from bleach.css_sanitizer import CSSSanitizer  # type: ignore[import-untyped]
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbgrader.converters import GenerateFeedback
from nbgrader.preprocessors import ClearHiddenTests
from nbgrader.preprocessors.base import NbGraderPreprocessor

from roadmap.errors import RoadmapError
from roadmap.grading.course import NbgraderCourse
from roadmap.grading.gradebook import database_errors
from roadmap.grading.master import nbgrader
from roadmap.grading.publish import move_into_place, new_folder
from roadmap.grading.verdict import strip_ansi

TEXT = {"text/plain", "text/latex"}
HTML = {"text/html", "text/markdown"}
IMAGES = {"image/png", "image/jpeg"}
HIDDEN = "# (hidden test)"
SHORTEST_HIDDEN = 4  # a shorter line, e.g. a bracket, gives nothing away

TAGS = frozenset(
    re.findall(
        r"\w+",
        """
        a abbr b blockquote br caption code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i
        img kbd li ol p pre s samp small span strong sub summary sup table tbody td tfoot th
        thead tr tt u ul var
        """,
    )
)
CSS = CSSSanitizer()


def feedback(
    assignment: str, root: Path, *, students: Sequence[str] = ()
) -> list[Path]:
    """Write ``feedback/*/ASSIGNMENT``: an HTML page for each autograded notebook.

    Pages show marks, comments and what the checks said; hidden tests are taken out
    and what learners wrote or printed cannot run as a script.

    Returns:
        The pages written, students in order.

    Raises:
        UsageError: there is no such course, graded assignment or student.
        RoadmapError: pages of some student could not be made; the others are written.
    """
    course = NbgraderCourse(root)
    written: list[Path] = []
    failed: list[str] = []
    with course.alone(assignment):
        for student, folder in course.graded(assignment, students).items():
            if any(folder.glob("*.ipynb")):
                try:
                    written += _write_pages(course, assignment, student)
                except RoadmapError as error:
                    failed.append(f"{student} ({error})")
    if failed:
        raise RoadmapError(
            f"no feedback for {'; '.join(failed)}; {len(written)} pages of the others are written"
        )
    return written


def _write_pages(course: NbgraderCourse, assignment: str, student: str) -> list[Path]:
    target = course.folder(course.coursedir.feedback_directory, student, assignment)
    with tempfile.TemporaryDirectory(prefix="roadmap-feedback-") as stage:
        made = course.folder(stage, student, assignment)
        converter = _SafeFeedback(stage, coursedir=course.coursedir, parent=course.app)
        course.coursedir.assignment_id = assignment
        course.coursedir.student_id = glob.escape(student)
        before = Path.cwd()
        try:
            with database_errors(course):
                converter.start()
            new = new_folder(target)
            shutil.copytree(made, new)
        except RoadmapError:
            raise
        except (Exception, SystemExit) as error:
            said = (
                next(iter(reversed(course.tail())), "")
                or f"{type(error).__name__}: {error}"
            )
            raise RoadmapError(said) from error
        finally:
            os.chdir(before)
    move_into_place(course, new, target, converter.permissions)
    return sorted(target.glob("*.html"))


class _SafeFeedback(GenerateFeedback):  # type: ignore[misc]  # nbgrader is not typed
    """nbgrader's feedback through the two classes below, into a folder of its own."""

    def __init__(self, stage: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._stage = stage
        self.exporter_class = SafeHTMLExporter
        self.preprocessors: list[type] = [*self.preprocessors, SafePage]

    @property
    def _output_directory(self) -> str:
        return self._stage


class SafeHTMLExporter(HTMLExporter):  # type: ignore[misc]
    """Cleans rendered Markdown; nbgrader's template puts it on the page as it comes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sanitize_html = True

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Markdown as HTML that holds no script."""
        return safe_html(super().markdown2html(context, source))


class SafePage(NbGraderPreprocessor):  # type: ignore[misc]
    """Takes out of a notebook what must not reach a page."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Remove hidden tests, active outputs and metadata that the template prints."""
        hidden = self._take_out_hidden_tests(nb)
        for cell in nb.cells:
            cell.metadata = {
                key: cell.metadata[key] for key in ("nbgrader",) if key in cell.metadata
            }
            if cell.cell_type == "raw":
                cell.source = html.escape(cell.source)
            elif cell.cell_type == "code":
                cell.outputs = [_safe_output(output, hidden) for output in cell.outputs]
        return nb, resources

    def _take_out_hidden_tests(self, nb: NotebookNode) -> list[str]:
        """Cut them from the test cells; returns their lines."""
        markers = ClearHiddenTests(parent=self)
        hidden: list[str] = []
        for cell in nb.cells:
            if not nbgrader(cell).get("grade"):
                continue
            kept, inside = [], False
            for line in cell.source.split("\n"):
                if markers.begin_test_delimeter in line:
                    inside = True
                    kept.append(HIDDEN)
                elif markers.end_test_delimeter in line:
                    inside = False
                elif inside:
                    hidden.append(line.strip())
                else:
                    kept.append(line)
            cell.source = "\n".join(kept)
        visible = {
            line.strip() for cell in nb.cells for line in cell.source.split("\n")
        }
        lines = {line for line in hidden if len(line) >= SHORTEST_HIDDEN} - visible
        return sorted(lines, key=len, reverse=True)


def _safe_output(output: NotebookNode, hidden: Iterable[str]) -> NotebookNode:
    if output.output_type == "stream":
        output.text = _without(hidden, output.text)
    elif output.output_type == "error":
        output.traceback = [_without(hidden, line) for line in output.traceback]
    else:
        output.metadata = {}
        data = {
            kind: value for kind, value in output.data.items() if isinstance(value, str)
        }
        output.data = {
            kind: _without(hidden, value) if kind not in IMAGES else value
            for kind, value in data.items()
            if kind in TEXT | HTML | IMAGES
        }
        if "text/html" in output.data:
            output.data["text/html"] = safe_html(output.data["text/html"])
    return output


def _without(hidden: Iterable[str], text: str) -> str:
    """``text`` with the hidden lines replaced; colours go only where one was found."""
    bare = strip_ansi(text)
    found = [line for line in hidden if line in bare]
    if not found:
        return text
    for line in found:
        bare = bare.replace(line, HIDDEN)
    return bare


def safe_html(text: str) -> str:
    """HTML with formatting, tables, links and embedded pictures, and nothing that acts."""
    cleaned: str = bleach.clean(
        text,
        tags=TAGS,
        attributes=_attribute_is_safe,
        protocols={"http", "https", "mailto", "data"},
        css_sanitizer=CSS,
        strip=True,
    )
    return cleaned


def _attribute_is_safe(tag: str, name: str, value: str) -> bool:
    if name == "src":
        return tag == "img" and value.startswith(
            ("https:", "http:", "data:image/png", "data:image/jpeg")
        )
    if name == "href":
        return tag == "a" and not value.strip().lower().startswith("data:")
    return name in {
        "class",
        "style",
        "title",
        "alt",
        "width",
        "height",
        "colspan",
        "rowspan",
    }
