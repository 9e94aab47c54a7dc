"""Progress: the checklist as data, as a table and as a widget, and what ticks it.

In a notebook, as the last line of a cell::

    from roadmap.progress import checklist

    checklist()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadmap.progress.model import Checklist
from roadmap.progress.overview import Overview, current_overview
from roadmap.progress.records import Outcome
from roadmap.progress.store import ProgressStore
from roadmap.progress.table import as_table

if TYPE_CHECKING:
    from roadmap.progress.widget import ChecklistView

__all__ = [
    "Checklist",
    "Outcome",
    "Overview",
    "ProgressStore",
    "as_table",
    "checklist",
    "current_overview",
]


def checklist() -> ChecklistView:
    """The progress checklist of the course around the current folder.

    A widget in a notebook, a plain table where nothing draws widgets. One kernel
    has one view of a course: asking again gives the same, brought up to date.

    Raises:
        RoadmapError: there is no course index here or in a folder above.
    """
    # Every lesson imports this room to tick; only this function needs ipywidgets, a slow import.
    from roadmap.progress.widget import current_view

    return current_view()
