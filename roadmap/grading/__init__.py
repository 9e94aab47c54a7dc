"""Grading a class: run what was handed in, write the gradebook and the feedback pages.

``grade``, ``feedback`` and ``export`` load nbgrader when they are first asked for: it takes a
second to import, and the processes that run notebooks do without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from roadmap.grading.rows import CellScore, Row, Status, write_rows, write_text

if TYPE_CHECKING:
    from roadmap.grading.grades_csv import export
    from roadmap.grading.own_work import check_own_work
    from roadmap.grading.pages import feedback
    from roadmap.grading.run import grade

__all__ = [
    "CellScore",
    "Row",
    "Status",
    "check_own_work",
    "export",
    "feedback",
    "grade",
    "write_rows",
    "write_text",
]

_LATER = {
    "check_own_work": "roadmap.grading.own_work",
    "export": "roadmap.grading.grades_csv",
    "feedback": "roadmap.grading.pages",
    "grade": "roadmap.grading.run",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
