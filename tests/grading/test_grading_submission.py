"""What is handed in is read, refused or rebuilt."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4
from tiny_course import ADD, DOUBLE, cell, notebook

from roadmap.grading.master import MasterNotebook, grade_id
from roadmap.grading.submission import (
    InvalidNotebookError,
    read_notebook,
    rebuild,
    scan,
)

ESSAY = cell("written", "essay", "Write here.", 4)
TASK = cell("task", "chore", "Do this.", 1)
MASTER_CELLS = [*ADD, v4.new_markdown_cell("## Next", id="next"), *DOUBLE, ESSAY, TASK]
KERNELSPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}


@pytest.fixture
def master() -> MasterNotebook:
    cells = json.loads(json.dumps(MASTER_CELLS))
    return MasterNotebook("p1", KERNELSPEC, tuple(cells))


@pytest.fixture
def submitted() -> NotebookNode:
    return nbformat.from_dict(json.loads(json.dumps(notebook(*MASTER_CELLS))))


def ids(nb: NotebookNode) -> list[str | None]:
    return [grade_id(item) for item in nb.cells]


def source_of(nb: NotebookNode, name: str) -> str:
    return next(item.source for item in nb.cells if grade_id(item) == name)


MASTER_IDS = ["add", "test-add", None, "double", "test-double", "essay", "chore"]

BROKEN = {
    "empty": (b"", "empty"),
    "blank": (b" \n", "empty"),
    "binary": (b"\x89PNG\xff\xfe\x00", "no text"),
    "cut off": (b'{"cells": [{"cell_', "not JSON"),
    "another document": (b'{"name": "x"}', "without nbformat"),
    "a list": (b"[1, 2]", "without nbformat"),
    "no cells": (b'{"nbformat": 4, "nbformat_minor": 5}', "no list of cells"),
    "a cell that is a number": (b'{"nbformat": 4, "cells": [7]}', "cell 1 is no cell"),
    "an unknown cell type": (
        b'{"nbformat": 4, "cells": [{"cell_type": "x"}]}',
        "no known type",
    ),
    "a source that is a number": (
        b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 5}]}',
        "no text",
    ),
    "a version to come": (b'{"nbformat": 9, "cells": []}', "nbformat 9"),
    "a broken version 3": (b'{"nbformat": 3, "worksheets": 4}', "nbformat 3"),
    "deep": (
        b'{"nbformat": 4, "cells": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        "too deeply",
    ),
    "deep metadata": (
        b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "", "metadata": {"a": '
        + b"[" * 900
        + b"]" * 900
        + b"}}]}",
        "too deeply",
    ),
    "a huge number": (b'{"nbformat": ' + b"9" * 5000 + b"}", "not JSON"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN)
def test_broken_file_is_refused_in_one_line(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "p1.ipynb"
    path.write_bytes(content)
    with pytest.raises(InvalidNotebookError, match=reason) as caught:
        read_notebook(path)
    assert "\n" not in str(caught.value)


def test_nan_and_lone_surrogates_are_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "p1.ipynb"
    path.write_text(
        '{"nbformat": 4, "cells": [{"cell_type": "code", "source": "\\ud800", '
        '"metadata": {"n": NaN}}]}'
    )
    nb = read_notebook(path)
    assert nb.cells[0].metadata.n is None
    json.dumps(nb, allow_nan=False, ensure_ascii=False).encode()


def test_nbformat_3_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "p1.ipynb"
    nbformat.write(
        nbformat.convert(notebook(v4.new_code_cell("a = 1\nb = 2")), 3), path
    )
    nb = read_notebook(path)
    assert [item.source for item in nb.cells] == ["a = 1\nb = 2"]
    nbformat.validate(nb)


def test_cells_with_one_id_or_a_bad_one_get_their_own(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "source": "", "id": name}
        for name in ("a", "a", '"><script>')
    ]
    path = tmp_path / "p1.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "cells": cells}))
    nb = read_notebook(path)
    assert len({item.id for item in nb.cells}) == 3
    nbformat.validate(nb)


def test_links_out_of_the_folder_and_pipes_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    folder = tmp_path / "ps1"
    (folder / "sub").mkdir(parents=True)
    (folder / "data.csv").write_text("1")
    (folder / "same.csv").symlink_to("data.csv")
    (folder / "out.csv").symlink_to(secret)
    (folder / "outside").symlink_to(tmp_path)
    (folder / "loop.csv").symlink_to("loop.csv")
    (folder / "p1.ipynb").symlink_to(secret)
    (folder / "sub" / "big.bin").write_bytes(b"x" * 2000)
    os.mkfifo(folder / "pipe")
    found = scan(folder, ["*.pyc"], max_bytes=1000)
    assert [path.as_posix() for path in found.data] == ["data.csv", "same.csv"]
    assert found.notebooks == ()
    assert {path.as_posix() for path in found.refused} == {
        "out.csv",
        "outside",
        "loop.csv",
        "p1.ipynb",
        "pipe",
        "sub/big.bin",
    }


def test_ignored_names_are_not_seen(tmp_path: Path) -> None:
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "p1.ipynb").write_text("{}")
    assert scan(tmp_path, [".ipynb_checkpoints"], 1000).notebooks == ()


def test_digest_changes_with_content_and_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1")
    first = scan(tmp_path, [], 1000).digest()
    (tmp_path / "a.txt").write_text("2")
    second = scan(tmp_path, [], 1000).digest()
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert len({first, second, scan(tmp_path, [], 1000).digest()}) == 3


def test_answers_stay_and_tests_come_from_the_master(
    master: MasterNotebook, submitted: NotebookNode
) -> None:
    submitted.cells[0].source = "def add(a, b): return 3"
    submitted.cells[1].source = "pass"
    submitted.cells[1].metadata.nbgrader.points = 100
    submitted.metadata.kernelspec = {"name": "bash", "display_name": "x"}
    nb = rebuild(submitted, master)
    assert source_of(nb, "add") == "def add(a, b): return 3"
    assert source_of(nb, "test-add") == ADD[1].source
    assert nb.cells[1].metadata.nbgrader.points == 2.0
    assert nb.metadata.kernelspec == KERNELSPEC
    nbformat.validate(nb)


@pytest.mark.parametrize("place", range(len(MASTER_CELLS)))
def test_deleted_cell_comes_back_in_its_place(
    master: MasterNotebook, submitted: NotebookNode, place: int
) -> None:
    del submitted.cells[place]
    expected = list(MASTER_IDS)
    if expected[place] in (None, "add", "double"):
        # Text is the learner's to delete; so is an answer, which may be written elsewhere.
        del expected[place]
    assert ids(rebuild(submitted, master)) == expected


def test_all_checks_come_back_when_everything_is_deleted(
    master: MasterNotebook,
) -> None:
    nb = rebuild(notebook(), master)
    assert ids(nb) == ["test-add", "test-double", "essay", "chore"]


def test_deleted_check_comes_back_below_cells_the_learner_added(
    master: MasterNotebook, submitted: NotebookNode
) -> None:
    submitted.cells[1] = v4.new_code_cell("mine", id="mine")
    nb = rebuild(submitted, master)
    assert [item.source for item in nb.cells[1:3]] == ["mine", ADD[1].source]


def test_renamed_check_is_restored_and_its_copy_is_nobodys(
    master: MasterNotebook, submitted: NotebookNode
) -> None:
    submitted.cells[1].metadata.nbgrader.grade_id = "mine"
    nb = rebuild(submitted, master)
    assert ids(nb).count("test-add") == 1
    assert "mine" not in ids(nb)


@pytest.mark.filterwarnings("error")
def test_last_of_two_cells_with_one_id_counts(
    master: MasterNotebook, submitted: NotebookNode
) -> None:
    again = nbformat.from_dict(json.loads(json.dumps(submitted.cells[0])))
    again.source = "second"
    submitted.cells.insert(1, again)
    nb = rebuild(submitted, master)
    assert ids(nb) == [None, *MASTER_IDS]
    assert source_of(nb, "add") == "second"
    assert len({item.id for item in nb.cells}) == len(nb.cells)


@pytest.mark.parametrize("place", [0, 1, 5])
def test_retyped_cell_gets_its_type_back(
    master: MasterNotebook, submitted: NotebookNode, place: int
) -> None:
    old = submitted.cells[place]
    make = v4.new_markdown_cell if old.cell_type == "code" else v4.new_code_cell
    submitted.cells[place] = make("answer", id=old.id, metadata=old.metadata)
    nb = rebuild(submitted, master)
    assert nb.cells[place].cell_type == MASTER_CELLS[place].cell_type
    assert nb.cells[place].source == (ADD[1].source if place == 1 else "answer")
    nbformat.validate(nb)


def test_garbage_in_metadata_is_no_obstacle(
    master: MasterNotebook, submitted: NotebookNode
) -> None:
    submitted.cells[0].metadata.nbgrader = "x"
    submitted.cells[1].metadata.nbgrader.grade_id = ["test-add"]
    submitted.cells[3].metadata.nbgrader.schema_version = 77
    nb = rebuild(submitted, master)
    assert [name for name in ids(nb) if name] == [
        "test-add",
        "double",
        "test-double",
        "essay",
        "chore",
    ]
    nbformat.validate(nb)
