"""The instructor's version of a notebook: what a submission is rebuilt from.

Plain data, so that the processes that run notebooks get it without nbgrader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Cell = Mapping[str, Any]  # a notebook cell as JSON


@dataclass(frozen=True)
class Vocabulary:
    """What a learner's code finds of the author's in its notebook.

    ``names`` are bound there, ``modules`` those that are a module's, ``fields`` the
    attributes of its named tuples. ``withheld`` are names not to be read: a check binds
    them, to what it compares answers with, perhaps, or the author to what could do
    anything. ``guarded`` are names not to be bound: a check relies on them.
    """

    names: tuple[str, ...] = ()
    modules: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ()


@dataclass(frozen=True)
class MasterNotebook:
    """One notebook of the assignment, in the instructor's order.

    A cell with a grade id is whole: released metadata, the source with its hidden
    tests. Of any other cell only its ``id`` is there, to find its place.
    ``released`` are the sources of all code cells as learners get them; there are none,
    and no ``vocabulary``, when the assignment is known from the gradebook alone.
    """

    name: str
    kernelspec: Mapping[str, Any]
    cells: tuple[Cell, ...]
    released: tuple[str, ...] = ()
    vocabulary: Vocabulary = Vocabulary()

    def to_dict(self) -> dict[str, Any]:
        """The notebook as JSON can have it."""
        return vars(self) | {"vocabulary": vars(self.vocabulary)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MasterNotebook:
        """What :meth:`to_dict` and JSON made of one."""
        return cls(
            data["name"],
            data["kernelspec"],
            tuple(data["cells"]),
            tuple(data["released"]),
            Vocabulary(**data["vocabulary"]),
        )

    def graded(self) -> dict[str, float]:
        """Points of each cell that earns any, by grade id: tests, written answers, tasks."""
        return {
            name: float(meta.get("points", 0.0))
            for name, meta in ((grade_id(cell), nbgrader(cell)) for cell in self.cells)
            if name and (meta.get("grade") or meta.get("task"))
        }


def nbgrader(cell: Cell) -> Mapping[str, Any]:
    """The cell's nbgrader metadata; empty when it has none that can be read."""
    metadata = cell.get("metadata")
    meta = metadata.get("nbgrader") if isinstance(metadata, Mapping) else None
    return meta if isinstance(meta, Mapping) else {}


def grade_id(cell: Cell) -> str | None:
    """The cell's grade id, if nbgrader has anything to do with it."""
    meta = nbgrader(cell)
    if not any(meta.get(kind) for kind in ("grade", "solution", "task", "locked")):
        return None
    name = meta.get("grade_id")
    return name if isinstance(name, str) and name else None


def is_check(cell: Cell) -> bool:
    """Whether the cell is a test that gives marks."""
    meta = nbgrader(cell)
    return bool(meta.get("grade")) and not meta.get("solution")


def is_answer(cell: Cell) -> bool:
    """Whether the learner writes in this cell; every other one is restored as it was."""
    meta = nbgrader(cell)
    return bool(meta.get("solution")) or (
        bool(meta.get("task")) and not meta.get("locked")
    )
