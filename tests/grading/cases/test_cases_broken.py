"""What is no notebook, or hardly one, gets a row that says so; what can be graded is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from hostile_class import FULL, NONE, Case, Graded, without
from nbformat import NotebookNode, v4
from tiny_course import ANSWERS

from roadmap.grading import feedback

NO_CELLS = b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}'
CODE = b'{"nbformat": 4, "cells": [{"cell_type": "code", "metadata": {}, "source": '


def refused(name: str, content: bytes, reason: str) -> Case:
    """A file that cannot be graded: nothing is left of it but the reason."""
    return Case(
        name,
        "invalid",
        NONE,
        says={"row": reason, "test-first": reason},
        files=lambda folder: (folder / "p1.ipynb").write_bytes(content),
        kept=("notes.txt",),
    )


def rewritten(name: str, change: Callable[[bytes], bytes], **more: object) -> Case:
    """Right answers in a file that was written in another way: full marks."""

    def rewrite(folder: Path) -> None:
        path = folder / "p1.ipynb"
        path.write_bytes(change(path.read_bytes()))

    return Case(name, "graded", FULL, files=rewrite, **more)  # type: ignore[arg-type]


def renamed(folder: Path) -> None:
    (folder / "p1.ipynb").rename(folder / "p1 (1).ipynb")


def as_nbformat_3(content: bytes) -> bytes:
    old = nbformat.convert(nbformat.reads(content, as_version=4), 3)
    return json.dumps(old).encode()


def with_nan(nb: NotebookNode) -> None:
    nb.metadata.loss = float("nan")
    nb.cells[0].metadata.loss = float("-inf")
    nb.cells[0].outputs = [
        {"output_type": "display_data", "data": {"a": float("inf")}, "metadata": {}}
    ]


def foreign_kernelspec(nb: NotebookNode) -> None:
    nb.metadata.kernelspec = {"name": "ir", "display_name": "R", "language": "R"}
    nb.metadata.language_info = {"name": "R", "file_extension": ".r"}


def same_ids(nb: NotebookNode) -> None:
    for cell in nb.cells:
        cell.id = "same"


def forged_outputs(nb: NotebookNode) -> None:
    for cell in nb.cells:
        html = {"text/html": "<script>handed_in()</script>"}
        cell.outputs = [v4.new_output("display_data", html)]


def huge(folder: Path) -> None:
    with (folder / "p1.ipynb").open("wb") as file:
        file.write(NO_CELLS)
        file.truncate(100_000_000)


def many_cells(nb: NotebookNode) -> None:
    nb.cells += [v4.new_markdown_cell(f"note {n}", id=f"n{n}") for n in range(5000)]


SCRIPT = (
    "from IPython.display import HTML, Javascript, SVG, display\n"
    "display(HTML('<script>answered()</script><img src=x onerror=answered()>'))\n"
    "display(HTML('<iframe srcdoc=\"<script>answered()</script>\"></iframe><i>kept</i>'))\n"
    "display(HTML('<a href=\"javascript:answered()\">x</a>'))\n"
    "display(Javascript('answered()'))\n"
    'display(SVG(\'<svg xmlns="http://www.w3.org/2000/svg" onload="answered()"/>\'))\n'
    "print('<script>answered()</script>')\n" + ANSWERS["add"]
)
IN_OUTPUTS = Case("HTML and script in outputs", "graded", FULL, {"add": SCRIPT})
CASES = [
    refused("invalid JSON", b'{"cells": [{"cell_', "not JSON"),
    refused("empty", b"", "the file is empty"),
    refused("binary", b"\x89PNG\r\n\x1a\n\x00\xff\xfe", "no text"),
    refused("not a notebook", b'{"name": "Ada"}', "without nbformat"),
    refused("a page of HTML", b"<!DOCTYPE html><html></html>", "not JSON"),
    refused("a list", b"[" + NO_CELLS + b"]", "without nbformat"),
    refused("cells that are no list", b'{"nbformat": 4, "cells": {}}', "no list of cells"),
    refused("nbformat to come", b'{"nbformat": 9, "cells": []}', "nbformat 9"),
    refused("UTF-16", NO_CELLS.decode().encode("utf-16"), "no text"),
    refused(
        "nested 5000 deep",
        CODE + b"[" * 5000 + b"]" * 5000 + b"}]}",
        "nested too deeply",
    ),
    refused("a number of a million digits", CODE + b"9" * 10**6 + b"}]}", "not JSON"),
    Case("missing", "missing", NONE, says={"row": "p1.ipynb was not handed in"},
         files=lambda folder: (folder / "p1.ipynb").unlink(), kept=("notes.txt",)),
    Case("renamed", "missing", NONE, says={"row": "p1.ipynb was not handed in"},
         files=renamed, kept=("notes.txt",)),
    Case("folder in place of the notebook", "missing", NONE, says={"row": "not handed in"},
         files=lambda folder: [(folder / "p1.ipynb").unlink(), (folder / "p1.ipynb").mkdir()],
         kept=("notes.txt",)),
    Case("hundred megabytes", "invalid", NONE, says={"row": "over 50 MB"}, files=huge,
         kept=("notes.txt",)),
    Case("no cells", "graded", NONE, says={"test-first": "NameError"},
         files=lambda folder: (folder / "p1.ipynb").write_bytes(NO_CELLS)),
    rewritten("nbformat 3", as_nbformat_3),
    rewritten("with a byte order mark", lambda content: b"\xef\xbb\xbf" + content),
    rewritten("sources in lines", lambda content: nbformat.writes(
        nbformat.reads(content, as_version=4)).encode()),
    Case("NaN", "graded", FULL, change=with_nan),
    Case("foreign kernelspec", "graded", FULL, change=foreign_kernelspec),
    Case("one cell id for all", "graded", FULL, change=same_ids),
    Case("five thousand cells more", "graded", FULL, change=many_cells),
    Case("outputs handed in", "graded", FULL, change=forged_outputs),
    Case("lone surrogates", "graded", FULL, {"add": "x = '\ud800'\n" + ANSWERS["add"]}),
    Case("null bytes", "graded", without("add"), {"add": ANSWERS["add"] + "\0"},
         {"test-add": "NameError"}),
    Case("names that look like paths", "graded", FULL,
         files=lambda folder: [(folder / name).write_text("{}") for name in
                               ("..ipynb", "Übung\n1.ipynb", "..evil.txt")],
         kept=("p1.ipynb", "notes.txt", "..evil.txt")),
    IN_OUTPUTS,
]  # fmt: skip


@pytest.fixture(scope="module")
def graded(graded_once: Callable[..., Graded]) -> Graded:
    return graded_once("broken", CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_broken(graded: Graded, case: Case) -> None:
    assert graded.faults(case) == []


def test_notebooks_of_another_name_have_a_row(graded: Graded) -> None:
    found = {
        row["notebook"]: (row["status"], row["message"])
        for student in ("renamed", "names-that-look-like-paths")
        for row in graded.rows[student]
        if row["notebook"] != "p1"
    }
    said = ("invalid", "no notebook of this assignment")
    assert found == {"p1 (1)": said, ".": said, "Übung\n1": said}


def test_reasons_are_one_line(graded: Graded) -> None:
    messages = [row["message"] or "" for rows in graded.rows.values() for row in rows]
    assert [message for message in messages if "\n" in message] == []


def test_what_was_handed_in_as_output_is_gone(graded: Graded) -> None:
    case = next(case for case in CASES if case.name == "outputs handed in")
    assert "handed_in" not in graded.notebook(case)


def test_no_script_of_an_output_gets_into_the_feedback(
    graded: Graded, tmp_path: Path
) -> None:
    pages = feedback("ps1", graded.root, students=[IN_OUTPUTS.student])
    (page,) = [page for page in pages if page.name == "p1.html"]
    body = page.read_text(encoding="utf-8")
    body = body[body.index("<body") :]
    assert "<i>kept</i>" in body
    # Source and printed text are shown as text; in no tag is there anything that runs.
    tags = re.findall(r"<[a-zA-Z][^>]*>", body)
    assert [tag for tag in tags if "answered" in tag] == []
    assert re.findall(r"<script[^>]*>[^<]*answered", body) == []


def test_the_neighbour_has_full_marks(graded: Graded) -> None:
    assert graded.neighbours() == ("graded", FULL)


def test_nothing_else_is_touched_or_left(graded: Graded) -> None:
    assert graded.traces == []
