"""The audit as ``--json`` writes it: a row for every exercise."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from roadmap.audit.store import write
from roadmap.audit.verdicts import LessonAudit


def write_rows(path: Path, lessons: Iterable[LessonAudit]) -> None:
    """Write what each exercise's :class:`ExerciseAudit` holds, under the same names.

    Raises:
        RoadmapError: the file cannot be written.
    """
    rows = [asdict(one) for lesson in lessons for one in lesson.exercises]
    write(path, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
