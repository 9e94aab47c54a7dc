"""Take in what was handed in, whatever it is: find its files, read and rebuild its notebooks."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode, v4

from roadmap.grading.master import Cell, MasterNotebook, grade_id, is_answer

SUFFIX = ".ipynb"
CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class InvalidNotebookError(Exception):
    """The file cannot be graded as a notebook; the message says why, in one line."""


@dataclass(frozen=True)
class Folder:
    """The files of a submission or of an assignment's source.

    Paths are relative to ``path``, sorted. ``refused`` are the files left out, and
    why: links that lead out of the folder, pipes and devices, files over the limit.
    """

    path: Path
    notebooks: tuple[Path, ...]
    data: tuple[Path, ...]
    refused: Mapping[Path, str]

    def digest(self) -> str:
        """SHA-256 over names and contents."""
        total = hashlib.sha256()
        for name in (*self.notebooks, *self.data):
            with (self.path / name).open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(
                f"{name.as_posix()}\0{content}\n".encode(errors="surrogateescape")
            )
        for name, reason in self.refused.items():
            total.update(
                f"{name.as_posix()}\0{reason}\n".encode(errors="surrogateescape")
            )
        return total.hexdigest()

    def copy_data(self, target: Path, skip: frozenset[Path] = frozenset()) -> None:
        """Copy the files that are no notebooks, over what is there."""
        for name in self.data:
            if name not in skip:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                (target / name).unlink(missing_ok=True)
                shutil.copyfile(self.path / name, target / name)
                shutil.copymode(self.path / name, target / name)


def scan(path: Path, ignore: Sequence[str], max_bytes: int) -> Folder:
    """List a folder without following links out of it.

    ``ignore`` are the name patterns of nbgrader's ``CourseDirectory.ignore``;
    files over ``max_bytes`` are refused.
    """
    notebooks, data, refused = [], [], {}
    for name in sorted(_walk(path, ignore)):
        problem = _problem(path / name, path.resolve(), max_bytes)
        if problem:
            refused[name] = problem
        elif name.suffix == SUFFIX:
            notebooks.append(name)
        else:
            data.append(name)
    return Folder(path, tuple(notebooks), tuple(data), refused)


def _walk(folder: Path, ignore: Sequence[str]) -> Iterator[Path]:
    """Every name below ``folder`` that is not ignored; links to folders are names, not followed."""
    pending = [folder]
    while pending:
        for path in pending.pop().iterdir():
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in ignore):
                continue
            if path.is_dir() and not path.is_symlink():
                pending.append(path)
            else:
                yield path.relative_to(folder)


def _problem(path: Path, real_root: Path, max_bytes: int) -> str | None:
    # Unlike Path.resolve, realpath takes a link that leads to itself.
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(real_root):
        return "a link that leads out of the folder"
    try:
        status = path.stat()
    except OSError as error:
        return error.strerror or "unreadable"
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if status.st_size > max_bytes:
        return f"over {max_bytes // 1_000_000} MB"
    return None


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook of any kind into a clean nbformat 4.5 one, without outputs.

    Raises:
        InvalidNotebookError: it is no JSON, or no notebook.
    """
    raw = path.read_bytes()
    if not raw.strip():
        raise InvalidNotebookError("the file is empty")
    try:
        # NaN is no JSON but Python writes it; null reads everywhere.
        data = json.loads(raw.decode("utf-8-sig"), parse_constant=lambda name: None)
        return _clean(_upgraded(data))
    except UnicodeDecodeError:
        raise InvalidNotebookError("the file is no text") from None
    except ValueError as error:
        raise InvalidNotebookError(f"not JSON: {error}") from None
    except RecursionError:
        raise InvalidNotebookError("the JSON is nested too deeply") from None


def _upgraded(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, dict) or not isinstance(data.get("nbformat"), int):
        raise InvalidNotebookError("not a notebook: JSON without nbformat")
    version: int = data["nbformat"]
    if version == v4.nbformat:
        return data
    if not 1 <= version < v4.nbformat:
        raise InvalidNotebookError(f"nbformat {version} is not known here")
    try:
        minor = data.get("nbformat_minor", 0)
        old = nbformat.versions[version].to_notebook_json(data, minor=minor)
        upgraded: Mapping[str, Any] = nbformat.convert(old, v4.nbformat)
    except RecursionError:
        raise
    except (
        Exception
    ) as error:  # nbformat's converters fail in any way on what is no notebook
        reason = f"{type(error).__name__}: {error}"
        raise InvalidNotebookError(
            f"not a notebook of nbformat {version}: {reason}"
        ) from None
    return upgraded


def _clean(data: Mapping[str, Any]) -> NotebookNode:
    """A notebook of which each part has the type that nbformat wants."""
    cells = data.get("cells")
    if not isinstance(cells, list):
        raise InvalidNotebookError("not a notebook: it has no list of cells")
    nb = v4.new_notebook()
    taken: set[str] = set()
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, dict):
            raise InvalidNotebookError(f"cell {number} is no cell")
        nb.cells.append(_clean_cell(cell, number, taken))
    return nb


def _clean_cell(cell: Mapping[str, Any], number: int, taken: set[str]) -> NotebookNode:
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise InvalidNotebookError(f"the source of cell {number} is no text")
    if cell.get("cell_type") not in ("code", "markdown", "raw"):
        raise InvalidNotebookError(f"cell {number} is of no known type")
    cell_id = cell.get("id")
    if (
        not isinstance(cell_id, str)
        or not CELL_ID.fullmatch(cell_id)
        or cell_id in taken
    ):
        cell_id = next(
            name for name in _numbered(f"cell-{number}") if name not in taken
        )
    taken.add(cell_id)
    # A lone surrogate is valid JSON and breaks every writer after us.
    source = source.encode("utf-8", "replace").decode("utf-8")
    metadata = cell.get("metadata")
    clean = {
        "id": cell_id,
        "cell_type": cell["cell_type"],
        "metadata": metadata if isinstance(metadata, dict) else {},
        "source": source,
    }
    if cell["cell_type"] == "code":
        clean |= {"outputs": [], "execution_count": None}
    elif isinstance(cell.get("attachments"), dict):
        clean["attachments"] = cell["attachments"]
    return nbformat.from_dict(clean)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def rebuild(nb: NotebookNode, master: MasterNotebook) -> NotebookNode:
    """What is graded: the learner's answers and own cells, everything else from the master.

    Cells are matched by grade id. Test and locked cells come from the master whatever
    was done to them; of two cells with one id the last counts, as in nbgrader;
    a deleted test or written answer comes back where the master has it.
    """
    wanted = {name: cell for cell in master.cells if (name := grade_id(cell))}
    cells: list[NotebookNode] = []
    for cell in reversed(nb.cells):
        name = grade_id(cell)
        if name in wanted:
            cells.append(_restored(wanted.pop(name), cell))
        else:
            cell.metadata.pop("nbgrader", None)
            cells.append(cell)
    cells.reverse()
    # From the last to the first, so that a cell's follower is back before the cell itself.
    for place in range(len(master.cells) - 1, -1, -1):
        cell = master.cells[place]
        # Of an answer cell that is gone, the answer may be in a cell of the learner's own.
        if grade_id(cell) in wanted and (not is_answer(cell) or _earns(cell)):
            cells.insert(_position(cells, master.cells, place), _restored(cell, None))
    _make_ids_unique(cells)
    metadata = {"kernelspec": dict(master.kernelspec)} if master.kernelspec else {}
    return v4.new_notebook(cells=cells, metadata=metadata)


def _earns(cell: Cell) -> bool:
    meta = cell["metadata"]["nbgrader"]
    return bool(meta.get("grade") or meta.get("task"))


def _restored(master: Cell, submitted: NotebookNode | None) -> NotebookNode:
    """The master's cell, holding the learner's text if it is there to hold it."""
    cell = nbformat.from_dict({**master, "metadata": {**master["metadata"]}})
    if submitted is not None and is_answer(master):
        cell.source = submitted.source
        if "attachments" in submitted and cell.cell_type != "code":
            cell.attachments = submitted.attachments
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell


def _position(cells: list[NotebookNode], master: Sequence[Cell], place: int) -> int:
    """Where the master's cell number ``place`` belongs among ``cells``.

    Before the cell that follows it in the master, so that what the learner wrote
    below an answer still comes first; else after the nearest one before it.
    """
    where = {key: index for index, cell in enumerate(cells) for key in _keys(cell)}
    for key in _keys(master[place + 1]) if place + 1 < len(master) else ():
        if key in where:
            return where[key]
    for before in reversed(master[:place]):
        for key in _keys(before):
            if key in where:
                return where[key] + 1
    return 0


def _keys(cell: Cell) -> list[tuple[str, str]]:
    """What a cell is known by: its grade id, or its cell id if it has none."""
    name = grade_id(cell)
    if name:
        return [("grade", name)]
    return [("cell", cell["id"])] if cell.get("id") else []


def _make_ids_unique(cells: list[NotebookNode]) -> None:
    taken: set[str] = set()
    restored = sorted(
        range(len(cells)), key=lambda index: grade_id(cells[index]) is None
    )
    for index in restored:
        cell = cells[index]
        start = cell.get("id") or f"cell-{index + 1}"
        cell.id = next(name for name in _numbered(start[:56]) if name not in taken)
        taken.add(cell.id)
