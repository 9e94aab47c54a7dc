"""What an author got wrong, each with its file and line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roadmap.errors import RoadmapError


@dataclass(frozen=True, order=True)
class Problem:
    """One author error. ``path`` is relative to the course's root."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


class LessonError(RoadmapError):
    """The lessons break one or more build rules; nothing was written."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(map(str, self.problems)))
