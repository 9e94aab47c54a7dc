"""What a feedback page says, as data: marks, messages and cells of one graded notebook."""

from __future__ import annotations

import ast
import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup
from nbformat import NotebookNode

from roadmap.grading.gradebook import Mark, NotebookMarks
from roadmap.grading.master import grade_id, is_answer
from roadmap.grading.safe_html import SafePage, highlighted, plain_text
from roadmap.grading.verdict import NOT_PASSED, failure, strip_ansi

Result = Literal["full marks", "part marks", "no marks", "to be marked"]

_HEADING = re.compile(r" {0,3}#{1,6}\s+(\S.*)")
_DECORATION = re.compile(r"[*_`]+|^Exercise: ")
_LONGEST_TITLE = 200
_PICTURES = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8"}


@dataclass(frozen=True)
class Check:
    """One line of the summary: a graded cell.

    ``title`` is the heading above it, ``about`` what it checks; ``message`` says why
    marks are missing. ``anchor`` is None when the notebook lacks the cell.
    """

    anchor: str | None
    title: str
    about: str | None
    mark: Mark
    result: Result
    message: str | None


@dataclass(frozen=True)
class Output:
    """What a cell gave: text, safe HTML, or a picture as a data address."""

    kind: Literal["text", "error", "html", "picture"]
    content: str


@dataclass(frozen=True)
class ShownCell:
    """A cell as it is shown, below ``title``; ``number`` is its place among those that ran.

    ``comment`` is what a person, or nbgrader, remarked on it.
    """

    kind: Literal["code", "prose"]
    anchor: str | None
    title: str
    source: Markup
    number: int | None
    outputs: tuple[Output, ...]
    check: Check | None
    comment: str | None


@dataclass(frozen=True)
class NotebookView:
    """One notebook's page; ``title`` is the first heading in it."""

    title: str
    marks: NotebookMarks
    checks: tuple[Check, ...]
    cells: tuple[ShownCell, ...]


def view(nb: NotebookNode, marks: NotebookMarks, page: SafePage) -> NotebookView:
    """Put a graded notebook, free of what is not to be shown, together with its marks."""
    language = str(nb.metadata.get("kernelspec", {}).get("language", "python"))
    checks: list[Check] = []
    cells: list[ShownCell] = []
    title = first = marks.name
    for cell in nb.cells:
        if headings := _headings(cell):
            first = headings[0] if first == marks.name else first
            title = headings[-1]
        name = grade_id(cell) or ""
        check = None
        if name in marks.cells:
            check = _check(cell, title, _anchor(name), marks.cells[name])
            checks.append(check)
        cells.append(
            ShownCell(
                "code" if cell.cell_type == "code" else "prose",
                _anchor(name) if name else None,
                title,
                _source(cell, language, page),
                cell.get("execution_count"),
                tuple(_outputs(cell, page)),
                check,
                marks.comments.get(name),
            )
        )
    present = {grade_id(cell) for cell in nb.cells}
    for name in sorted(marks.cells.keys() - present):
        lost, mark = "the notebook lacks this cell", marks.cells[name]
        checks.append(Check(None, name, None, mark, _result(mark, lost), lost))
    return NotebookView(first, marks, tuple(checks), tuple(cells))


def _anchor(name: str) -> str:
    """An id that no other element of the page has; names may hold anything."""
    return "cell-" + re.sub(r"[^\w.-]", "-", name)


def _check(cell: NotebookNode, title: str, anchor: str, mark: Mark) -> Check:
    message = _message(cell)
    result = _result(mark, message)
    return Check(anchor, title, _about(cell), mark, result, message)


def _headings(cell: NotebookNode) -> list[str]:
    if cell.cell_type != "markdown":
        return []
    found, fence = [], ""
    for line in cell.source.split("\n"):
        start = line.lstrip()[:3]
        if start in ("```", "~~~"):
            fence = start if not fence else "" if start == fence else fence
        elif not fence and (heading := _HEADING.match(line)):
            text = _DECORATION.sub("", heading[1].rstrip().rstrip("#").rstrip())
            found.append(plain_text(text)[:_LONGEST_TITLE])
    return found


def _about(cell: NotebookNode) -> str | None:
    """The first line of a check's docstring: authors say there what it checks."""
    if cell.cell_type != "code" or is_answer(cell):
        return None
    try:
        text = ast.get_docstring(ast.parse(cell.source))
    except (SyntaxError, ValueError):  # a cell magic, or another language
        return None
    return text.strip().split("\n")[0] if text and text.strip() else None


def _result(mark: Mark, message: str | None) -> Result:
    if mark.awaited:
        return "to be marked"
    if mark.score >= mark.max_score and (mark.by_hand or message is None):
        return "full marks"
    return "part marks" if mark.score > 0 else "no marks"


def _message(cell: NotebookNode) -> str | None:
    for output in cell.get("outputs", ()):
        if output.output_type == "error":
            if output.ename == NOT_PASSED:
                return plain_text(output.evalue)
            return plain_text(failure(output.ename, output.evalue))
    return None


def _source(cell: NotebookNode, language: str, page: SafePage) -> Markup:
    if cell.cell_type == "code":
        return highlighted(
            cell.source, "ipython3" if language == "python" else language
        )
    if cell.cell_type == "markdown":
        return page.markdown(cell.source, cell.get("attachments", {}))
    return Markup("<pre>{}</pre>").format(plain_text(cell.source))


def _outputs(cell: NotebookNode, page: SafePage) -> Iterator[Output]:
    for output in cell.get("outputs", ()):
        if output.output_type == "stream":
            yield Output("text", _terminal(output.text))
        elif output.output_type == "error":
            yield Output("error", _terminal("\n".join(output.traceback)))
        else:
            yield _shown(output.data, page)


def _shown(data: NotebookNode, page: SafePage) -> Output:
    """The richest form of a result that is safe and small enough."""
    forms = {kind: value for kind, value in data.items() if isinstance(value, str)}
    if "text/html" in forms and (html := page.html(forms["text/html"])) is not None:
        return Output("html", html)
    if "text/markdown" in forms:
        return Output("html", page.markdown(forms["text/markdown"], {}))
    for kind, beginning in _PICTURES.items():
        if kind in forms and (encoded := _picture(forms[kind], beginning)):
            return Output("picture", f"data:{kind};base64,{encoded}")
    text = forms.get("text/latex") or forms.get("text/plain") or ""
    return Output("text", _terminal(text))


def _picture(encoded: str, beginning: bytes) -> str | None:
    """The picture in base64, if that is what it is."""
    encoded = "".join(encoded.split())
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        return None
    return encoded if data.startswith(beginning) else None


def _terminal(text: str) -> str:
    """What a terminal would be left with, without its colours."""
    lines = (line.rstrip("\r").split("\r")[-1] for line in strip_ansi(text).split("\n"))
    return plain_text("\n".join(lines))
