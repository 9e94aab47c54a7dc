"""From a read lesson to an nbgrader notebook and its entry in the index."""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from typing import TypeGuard

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from roadmap.lessons.fences import without_fences
from roadmap.lessons.index import Check, Exercise, Lesson
from roadmap.lessons.rules import MARK, answer_of, cell_id, graded_cells, parse
from roadmap.lessons.text import KERNELSPEC, LessonText, TextCell

_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*$", re.MULTILINE)
_EXERCISE = re.compile(r"^Exercise(?: \d+)?\s*[:·—-]\s*")
_RESOURCE = re.compile(
    r"^\*\*[^*\n]*\broadmap\b[^*\n]*\*\*(.+?)(?:\n\n|\Z)", re.M | re.S
)
_TIME = re.compile(r"\*\*Time:\*\*\D*(\d+)(?:\s*[–-]\s*\d+)? (minute|hour)")


def to_notebook(lesson: LessonText) -> NotebookNode:
    """The instructor's notebook: full nbgrader metadata, no outputs, nothing random."""
    seen: Counter[str] = Counter()
    cells = []
    for cell in lesson.cells:
        new = new_code_cell if cell.kind == "code" else new_markdown_cell
        node = new(cell.source, id=_id(cell, seen))
        graded = _nbgrader(cell)
        if graded:
            node.metadata["nbgrader"] = graded
        cells.append(node)
    metadata = {"kernelspec": dict(KERNELSPEC), "language_info": {"name": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


def to_bytes(notebook: NotebookNode) -> bytes:
    """The notebook as the one text that every build gives.

    Raises:
        nbformat.ValidationError: the notebook is not valid nbformat.
    """
    nbformat.validate(notebook)
    text: str = nbformat.writes(notebook)
    return f"{text}\n".encode()


def to_index(lesson: LessonText, released: NotebookNode) -> Lesson:
    """The lesson's index entry; digests are of the checks as learners get them."""
    sources = {cell.id: cell.source for cell in released.cells}
    graded = graded_cells(lesson)
    solutions = [cell.id for cell in graded if cell.role == "solution"]
    checks: dict[str, list[Check]] = {id: [] for id in solutions}
    for cell in graded:
        owner = answer_of(cell.id, solutions)
        if cell.role == "test" and owner is not None:
            id = cell_id("test", cell.id)
            digest = hashlib.sha256(sources[id].encode()).hexdigest()
            points = float(cell.cell.markers["points"])
            hidden = count_hidden(cell.cell.source)
            checks[owner].append(Check(id, points, digest, hidden))
    titles = _exercise_titles(lesson)
    header = lesson.cells[0].source
    time = _TIME.search(header)
    resource = _RESOURCE.search(header)
    return Lesson(
        lesson.name,
        header.partition("\n")[0].removeprefix("# ").strip(),
        int(time[1]) * (60 if time[2] == "hour" else 1) if time else None,
        tuple(
            Exercise(id, titles[id][1], tuple(checks[id]), titles[id][0])
            for id in solutions
        ),
        " ".join(resource[1].split()) if resource else "",
    )


def count_hidden(source: str) -> int:
    """How many tests stand between a check's marks: asserts, raises and ``raises`` blocks.

    A test in a loop counts once.
    """
    hidden: set[int] = set()
    begin = 0
    for number, line in enumerate(source.splitlines(), 1):
        mark = MARK.search(line)
        if mark and mark[1] == "BEGIN":
            begin = number
        elif mark:
            hidden.update(range(begin, number))
    return sum(
        node.lineno in hidden
        for node in ast.walk(parse(source))
        if isinstance(node, ast.Assert | ast.Raise) or _expects_error(node)
    )


def _expects_error(node: ast.AST) -> TypeGuard[ast.With]:
    """Whether it is ``with pytest.raises(…):`` or the like."""
    return isinstance(node, ast.With) and any(
        isinstance(item.context_expr, ast.Call)
        and ast.unparse(item.context_expr.func).endswith("raises")
        for item in node.items
    )


def _id(cell: TextCell, seen: Counter[str]) -> str:
    for role in ("solution", "test"):
        if role in cell.markers:
            return cell_id(role, cell.markers[role])
    digest = hashlib.sha256(f"{cell.kind}\n{cell.source}".encode()).hexdigest()[:12]
    seen[digest] += 1
    return digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def _nbgrader(cell: TextCell) -> dict[str, object] | None:
    """nbgrader's cell metadata, schema 3."""
    common = {"schema_version": 3, "task": False}
    if "solution" in cell.markers:
        return common | {
            "grade": False,
            "grade_id": cell.markers["solution"],
            "locked": False,
            "solution": True,
        }
    if "test" in cell.markers:
        return common | {
            "grade": True,
            "grade_id": cell_id("test", cell.markers["test"]),
            "locked": True,
            "points": cell.markers["points"],
            "solution": False,
        }
    return None


def _exercise_titles(lesson: LessonText) -> dict[str, tuple[str, str]]:
    """Each exercise's section (level 2) and its title: what the nearest heading above says."""
    titles = {}
    section, heading = "", lesson.name
    for cell in lesson.cells:
        if cell.kind == "markdown":
            for marks, text in _HEADING.findall(without_fences(cell.source)):
                heading = text
                if len(marks) <= 2:
                    section = text if len(marks) == 2 else ""
        elif "solution" in cell.markers:
            title = _EXERCISE.sub("", heading)
            titles[cell.markers["solution"]] = (
                "" if heading == section else section,
                title,
            )
    return titles
