"""Read one lesson: Jupytext Markdown in, cells with their lines out.

Jupytext decides what is a cell. This module adds what it does not keep, the
line each code cell comes from, and expands ``quiz`` fences, whose answers
would otherwise stand in the learner's cell.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import jupytext
import yaml

from roadmap.lessons.fences import Fence, find_fences
from roadmap.lessons.problems import Problem

ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ID_LENGTH = (
    56  # nbformat allows 64 characters in a cell id; "test-" and a counter come on top
)
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
HEADER = """---
jupyter: {kernelspec: {display_name: Python 3, language: python, name: python3}}
---"""

# Survives Jupytext as cell metadata, so that each code cell tells its line.
_LINE = "roadmap_line"
_LINE_MARK = re.compile(rf' {_LINE}="(\d+)"')
UNREAD = (
    "incorrectly_encoded_metadata"  # Jupytext's name for attributes it could not parse
)
# Jupytext's mark for code that is only shown; without it the notebook colours the code.
_NOEVAL = re.compile(r"^(`{3,}\w+) \.noeval$", re.MULTILINE)
_MARKER = re.compile(r"\b(?:solution|test|points|quiz)\s*=")
_QUIZ = re.compile(r'(?:yaml|yml)\s+quiz="([^"]*)"')


@dataclass(frozen=True)
class TextCell:
    """One cell as Jupytext reads it.

    ``line`` is the 1-based line of the opening fence of a code cell and 0 for
    prose; ``markers`` are the fence's attributes.
    """

    kind: str
    source: str
    line: int
    markers: dict[str, Any]


@dataclass(frozen=True)
class LessonText:
    """A lesson as it was written.

    ``path`` is relative to the course's root, ``body`` the line after the header.
    """

    path: str
    phase: str
    name: str
    text: str
    body: int
    fences: tuple[Fence, ...]
    cells: tuple[TextCell, ...]
    quizzes: dict[str, str]
    problems: tuple[Problem, ...]


def read_lesson(path: str, text: str) -> LessonText:
    """Read the lesson ``text`` that stands in ``path`` (``course/<phase>/<NN_topic>.md``).

    What the author got wrong is in the result's ``problems``, not raised.
    """
    place = PurePosixPath(path)
    offset, problems = _without_front_matter(path, text)
    fences = find_fences(text)
    problems += [
        Problem(path, fence.line, "this fence is never closed; end it with ```")
        for fence in fences
        if not fence.closed
    ]
    quizzes: dict[str, str] = {}
    lines = text.splitlines()
    for fence in reversed(
        fences
    ):  # from the end, so that earlier lines keep their numbers
        lines[fence.line - 1 : fence.end] = _marked(path, fence, quizzes, problems)
    del lines[:offset]
    while lines and not lines[0].strip():
        del lines[0]
    cells = tuple(
        _cell(cell) for cell in jupytext.reads("\n".join(lines), fmt="md").cells
    )
    problems += _unread_markers(path, fences, cells)
    return LessonText(
        path,
        place.parent.name,
        place.stem,
        text,
        offset + 1,
        tuple(fences),
        cells,
        dict(reversed(quizzes.items())),
        tuple(problems),
    )


def _without_front_matter(path: str, text: str) -> tuple[int, list[Problem]]:
    """The number of lines before the lesson's body, and what is wrong with those."""
    lines = text.splitlines()
    wanted = f"start the file with\n{HEADER}".replace("\n", "\\n")
    if not lines or lines[0].rstrip() != "---":
        return 0, [Problem(path, 1, f"no Jupytext header; {wanted}")]
    end = next((n for n in range(1, len(lines)) if lines[n].rstrip() == "---"), None)
    if end is None:
        return 0, [Problem(path, 1, "the header is never closed; end it with ---")]
    try:
        header = yaml.safe_load("\n".join(lines[1:end]))
        found = header["jupyter"]["kernelspec"]["name"]
    except (yaml.YAMLError, KeyError, TypeError):
        return end + 1, [Problem(path, 1, f"the header names no kernelspec; {wanted}")]
    problems = []
    if found != KERNELSPEC["name"]:
        problems.append(
            Problem(
                path, 1, f"kernelspec {found!r}; lessons run on {KERNELSPEC['name']!r}"
            )
        )
    return end + 1, problems


def _marked(
    path: str, fence: Fence, quizzes: dict[str, str], problems: list[Problem]
) -> list[str]:
    """The fence's lines as Jupytext shall read them."""
    mark = f' {_LINE}="{fence.line}"'
    closing = [fence.marks] if fence.closed else []
    quiz = _QUIZ.fullmatch(fence.info)
    if quiz:
        name = quiz[1]
        if name in quizzes:
            problems.append(
                Problem(path, fence.line, f"quiz {name!r} is defined twice")
            )
        quizzes[name] = _quiz_json(path, fence, name, problems)
        return [f"```python{mark}", f'quiz("{name}")', *closing]
    opening = fence.info
    if fence.language and ".noeval" not in fence.info.split():
        opening = fence.info.replace(fence.language, fence.language + mark, 1)
    return [fence.marks + opening, *fence.body, *closing]


def _quiz_json(path: str, fence: Fence, name: str, problems: list[Problem]) -> str:
    if not ID.fullmatch(name):
        problems.append(
            Problem(path, fence.line, f"quiz {name!r}: an id is {ID.pattern}")
        )
    try:
        questions = yaml.safe_load("\n".join(fence.body))
    except yaml.YAMLError as error:
        at = getattr(error, "problem_mark", None)
        line = fence.line + 1 + (at.line if at else 0)
        problems.append(Problem(path, line, f"quiz {name!r}: not YAML"))
        return "[]\n"
    fault = _quiz_fault(questions)
    if fault:
        problems.append(Problem(path, fence.line, f"quiz {name!r}: {fault}"))
    return json.dumps(questions, indent=1, ensure_ascii=False, default=str) + "\n"


def _quiz_fault(questions: Any) -> str | None:
    if not isinstance(questions, list) or not questions:
        return "a quiz is a list of questions, each with `ask` and `choices`"
    for number, question in enumerate(questions, 1):
        choices = question.get("choices") if isinstance(question, dict) else None
        if not isinstance(choices, list) or not isinstance(question.get("ask"), str):
            return f"question {number} needs `ask` (text) and `choices` (a list)"
        for choice in choices:
            if not isinstance(choice, dict) or not {"text", "why"} <= choice.keys():
                return f"question {number}: every choice needs `text` and `why`"
            if not all(isinstance(choice[key], str) for key in ("text", "why")):
                return (
                    f"question {number}: `text` and `why` are text; put them in quotes"
                )
        right = sum(choice.get("right") is True for choice in choices)
        if len(choices) < 2 or right != 1:
            return f"question {number} needs two choices or more, exactly one with `right: true`"
    return None


def _cell(cell: Any) -> TextCell:
    metadata = dict(cell.metadata)
    metadata.pop("lines_to_next_cell", None)
    unread = metadata.get(UNREAD, "")
    line = int(metadata.pop(_LINE, 0) or (_LINE_MARK.search(f" {unread}") or [0, 0])[1])
    source = _LINE_MARK.sub("", cell.source)
    if cell.cell_type == "markdown":
        source = _NOEVAL.sub(r"\1", source)
    return TextCell(cell.cell_type, source, line, metadata)


def _unread_markers(
    path: str, fences: list[Fence], cells: tuple[TextCell, ...]
) -> list[Problem]:
    """Fences whose markers Jupytext could not read: they would be released as prose."""
    read = {
        cell.line
        for cell in cells
        if cell.kind == "code" and UNREAD not in cell.markers
    }
    return [
        Problem(
            path,
            fence.line,
            f'cannot read the markers of ```{fence.info}; write ```python solution="some-id", '
            '```python test="some-id" points=2 or ```yaml quiz="some-id"',
        )
        for fence in fences
        if fence.line not in read
        and ".noeval" not in fence.info.split()
        and _MARKER.search(fence.info)
    ]
