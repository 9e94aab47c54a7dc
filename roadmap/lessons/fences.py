"""Fenced blocks of a Markdown file, with the lines they stand on."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPEN = re.compile(r"^(`{3,}|~{3,})\s*(.*?)\s*$")


@dataclass(frozen=True)
class Fence:
    """A fenced block that starts in column 1.

    ``line`` and ``end`` are the 1-based lines of its two fences, ``marks`` the
    backticks or tildes, ``info`` the text after the opening ones. ``closed`` is
    false when the file ends first.
    """

    line: int
    end: int
    marks: str
    info: str
    body: tuple[str, ...]
    closed: bool

    @property
    def language(self) -> str:
        return self.info.split(maxsplit=1)[0] if self.info else ""


def find_fences(text: str) -> list[Fence]:
    """All fenced blocks of ``text`` in order; a fence inside another is its body."""
    fences = []
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opening = _OPEN.match(lines[number])
        if opening is None:
            number += 1
            continue
        marks, info = opening.groups()
        closing = re.compile(rf"^{re.escape(marks[0])}{{{len(marks)},}}\s*$")
        end = next(
            (n for n in range(number + 1, len(lines)) if closing.match(lines[n])), None
        )
        last = len(lines) if end is None else end
        fences.append(
            Fence(
                number + 1,
                last + 1,
                marks,
                info,
                tuple(lines[number + 1 : last]),
                end is not None,
            )
        )
        number = last + 1
    return fences


def without_fences(text: str) -> str:
    """``text`` with its fenced blocks blanked out, line for line."""
    lines = text.splitlines()
    for fence in find_fences(text):
        for number in range(fence.line - 1, min(fence.end, len(lines))):
            lines[number] = ""
    return "\n".join(lines)
