"""What grading says about each notebook, and how it is written down."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from roadmap.errors import RoadmapError

Status = Literal[
    "graded",
    "timeout",
    "out_of_memory",
    "kernel_died",
    "tampered",
    "invalid",
    "missing",
    "error",
]


@dataclass(frozen=True)
class CellScore:
    """One graded cell.

    ``score`` is None while a person has to mark the cell; ``message`` says why
    marks are missing and is None when there are full marks.
    """

    score: float | None
    max_score: float
    message: str | None


@dataclass(frozen=True)
class Row:
    """One notebook of one submission.

    ``seconds`` is the time from the start of the kernel to its end; ``message``
    says in one line why the row is not plainly ``graded``.
    """

    student: str
    assignment: str
    notebook: str
    status: Status
    score: float
    max_score: float
    seconds: float
    cells: Mapping[str, CellScore]
    message: str | None = None

    @classmethod
    def of(
        cls,
        student: str,
        assignment: str,
        notebook: str,
        status: Status,
        cells: Mapping[str, CellScore],
        seconds: float = 0.0,
        message: str | None = None,
    ) -> Row:
        """The row whose score is the sum of its cells'."""
        score = sum(cell.score or 0.0 for cell in cells.values())
        max_score = sum(cell.max_score for cell in cells.values())
        return cls(
            student,
            assignment,
            notebook,
            status,
            float(score),
            float(max_score),
            round(seconds, 3),
            cells,
            message,
        )

    def to_dict(self) -> dict[str, Any]:
        """The row of ``roadmap grade --json``."""
        return vars(self) | {"cells": {name: vars(c) for name, c in self.cells.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Row:
        """Read what :meth:`to_dict` wrote."""
        cells = {name: CellScore(**cell) for name, cell in data["cells"].items()}
        return cls(**{**data, "cells": cells})


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write the rows as a JSON list, whole or not at all.

    Raises:
        RoadmapError: the file cannot be written.
    """
    text = json.dumps([row.to_dict() for row in rows], indent=1, ensure_ascii=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file through a temporary one beside it.

    Raises:
        RoadmapError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise RoadmapError(f"{path}: cannot be written: {error.strerror}") from error
