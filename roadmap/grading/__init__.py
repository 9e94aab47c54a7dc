"""Grading a class: run what was handed in, write the gradebook and the feedback pages.

``grade`` and ``feedback`` load nbgrader when they are first asked for: it takes a second
to import, and the processes that run notebooks do without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roadmap.grading.rows import CellScore, Row, Status, write_rows

if TYPE_CHECKING:
    from roadmap.grading.pages import feedback
    from roadmap.grading.run import grade

__all__ = ["CellScore", "Row", "Status", "feedback", "grade", "write_rows"]


def __getattr__(name: str) -> Any:
    if name == "grade":
        from roadmap.grading.run import grade

        return grade
    if name == "feedback":
        from roadmap.grading.pages import feedback

        return feedback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
