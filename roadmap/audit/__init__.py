"""Are the checks any good? Every answer an author has named is tried, and mutants.

``forks`` is imported in lessons' kernels, so nothing else is loaded here before it is
asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roadmap.audit.mistakes import renew_mistakes
    from roadmap.audit.page import write_page
    from roadmap.audit.rows import write_rows
    from roadmap.audit.run import audit
    from roadmap.audit.table import lesson_table, remarks
    from roadmap.audit.verdicts import LessonAudit

__all__ = [
    "LessonAudit",
    "audit",
    "lesson_table",
    "remarks",
    "renew_mistakes",
    "write_page",
    "write_rows",
]

_LATER = {
    "LessonAudit": "roadmap.audit.verdicts",
    "audit": "roadmap.audit.run",
    "lesson_table": "roadmap.audit.table",
    "remarks": "roadmap.audit.table",
    "renew_mistakes": "roadmap.audit.mistakes",
    "write_page": "roadmap.audit.page",
    "write_rows": "roadmap.audit.rows",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
