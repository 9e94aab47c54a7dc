"""Tiny nbgrader courses in a temporary folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode, v4

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
STUB = "raise NotImplementedError"


def cell(
    kind: str, grade_id: str, source: str, points: float | None = None
) -> NotebookNode:
    """A cell with nbgrader metadata; ``kind`` is answer, test, written, task or locked."""
    make = (
        v4.new_markdown_cell
        if kind in ("written", "task", "locked")
        else v4.new_code_cell
    )
    meta: dict[str, Any] = {
        "schema_version": 3,
        "grade_id": grade_id,
        "grade": kind in ("test", "written"),
        "solution": kind in ("answer", "written"),
        "locked": kind in ("test", "task", "locked"),
        "task": kind == "task",
    }
    if points is not None:
        meta["points"] = points
    return make(source=source, id=grade_id, metadata={"nbgrader": meta})


def exercise(
    name: str, code: str, tests: str, points: float = 1.0
) -> list[NotebookNode]:
    """An answer cell and the test cell below it."""
    solution = f"### BEGIN SOLUTION\n{code}\n### END SOLUTION"
    return [cell("answer", name, solution), cell("test", f"test-{name}", tests, points)]


def notebook(*cells: NotebookNode) -> NotebookNode:
    return v4.new_notebook(cells=list(cells), metadata={"kernelspec": KERNELSPEC})


ADD = exercise(
    "add",
    "def add(a, b):\n    return a + b",
    'assert add(1, 2) == 3, f"add(1, 2) returned {add(1, 2)}"\n'
    "### BEGIN HIDDEN TESTS\n"
    "assert add(20, 22) == 42, 'add(20, 22) is wrong'\n"
    "### END HIDDEN TESTS",
    2.0,
)
DOUBLE = exercise(
    "double", "def double(n):\n    return n * 2", "assert double(4) == 8, 'no'", 3.0
)
ANSWERS = {
    "add": "def add(a, b):\n    return a + b",
    "double": "def double(n):\n    return n * 2",
}


class TinyCourse:
    """An nbgrader course directory, and a class that hands in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.configure()

    def configure(self, text: str = "") -> None:
        lines = "c = get_config()\nc.CourseDirectory.course_id = 'tiny'\n"
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "nbgrader_config.py").write_text(lines + text)

    def source(self, name: str, *cells: NotebookNode, assignment: str = "ps1") -> None:
        path = self.root / "source" / assignment / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook(*cells), path)

    def released(self, name: str = "p1", assignment: str = "ps1") -> NotebookNode:
        """What nbgrader would release, as far as these tests need it."""
        path = self.root / "source" / assignment / f"{name}.ipynb"
        nb = nbformat.read(path, as_version=4)
        for item in nb.cells:
            text = item.source
            for begin, end, stub in (
                (
                    "### BEGIN SOLUTION",
                    "### END SOLUTION",
                    "# YOUR CODE HERE\n" + STUB + "()",
                ),
                ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS", ""),
            ):
                if begin in text:
                    text = (
                        text[: text.index(begin)]
                        + stub
                        + text[text.index(end) + len(end) :]
                    )
            meta = item.metadata.get("nbgrader", {})
            item.source = (
                "YOUR ANSWER HERE" if meta.get("grade") and meta["solution"] else text
            )
        return nb

    def folder(self, student: str, assignment: str = "ps1") -> Path:
        path = self.root / "submitted" / student / assignment
        path.mkdir(parents=True, exist_ok=True)
        return path

    def hand_in(
        self,
        student: str,
        answers: Mapping[str, str] = ANSWERS,
        name: str = "p1",
        change: Callable[[NotebookNode], object] | None = None,
    ) -> Path:
        """Hand in the released notebook with ``answers`` filled in, then ``change`` it."""
        nb = self.released(name)
        for item in nb.cells:
            grade_id = item.metadata.get("nbgrader", {}).get("grade_id")
            if grade_id in answers:
                item.source = answers[grade_id]
        if change:
            change(nb)
        path = self.folder(student) / f"{name}.ipynb"
        path.write_text(json.dumps(nb), encoding="utf-8")
        return path
