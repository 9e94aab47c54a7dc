"""Takes hidden tests out of a graded notebook: from the checks, and from what came of them.

A learner's code runs beside the hidden tests and can print them in a form that nobody
finds again; here goes what shows them unasked, tracebacks above all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from nbformat import NotebookNode

from roadmap.grading.master import nbgrader
from roadmap.grading.verdict import strip_ansi

PLACEHOLDER = "# (hidden test)"
_SHORTEST = 4  # a shorter line, e.g. a bracket, gives nothing away

# In tracebacks: where a frame is, and the source below it, with line numbers or without.
_FRAME = re.compile(r"\s*(?:Cell In|Input In) ?\[(\d+)\](?:, line (\d+))?")
_NUMBERED = re.compile(r"\s*(?:-+>)?\s*(\d+)(?:\s.*)?")
_SOURCE = re.compile(rf"\s{{4}}.*|{_NUMBERED.pattern}")


def take_out_hidden_tests(nb: NotebookNode, begin: str, end: str) -> None:
    """Replace the lines between the marks ``begin`` and ``end`` wherever they are shown."""
    lines: set[str] = set()
    numbers: dict[int, set[int]] = {}  # of hidden lines, by the number of their cell
    for cell in nb.cells:
        if nbgrader(cell).get("grade"):
            cell.source, hidden = _cut(cell.source, begin, end)
            lines.update(hidden.values())
            numbers[cell.get("execution_count") or 0] = set(hidden)
    shown = {line.strip() for cell in nb.cells for line in cell.source.split("\n")}
    secret = sorted(
        (line for line in lines - shown if len(line) >= _SHORTEST),
        key=len,
        reverse=True,
    )
    for cell in nb.cells:
        for output in cell.get("outputs", ()):
            _clean(output, secret, numbers)


def _cut(source: str, begin: str, end: str) -> tuple[str, dict[int, str]]:
    """The source with its hidden part replaced; that part and its marks by line number.

    Numbers are those of a traceback: IPython does not count empty lines at the top.
    """
    kept: list[str] = []
    hidden: dict[int, str] = {}
    inside = False
    top = source[: len(source) - len(source.lstrip())].count("\n")
    for number, line in enumerate(source.split("\n"), 1 - top):
        if begin in line:
            inside = True
            kept.append(PLACEHOLDER)
        elif not inside and end not in line:
            kept.append(line)
            continue
        hidden[number] = line.strip()
        if end in line:
            inside = False
    return "\n".join(kept), hidden


def _clean(
    output: NotebookNode, secret: Iterable[str], numbers: Mapping[int, Collection[int]]
) -> None:
    if output.output_type == "stream":
        output.text = _without(secret, output.text)
    elif output.output_type == "error":
        output.evalue = _without(secret, output.evalue)
        trace = _without_lines(numbers, "\n".join(output.traceback))
        output.traceback = [_without(secret, trace)]
    else:
        output.data = {
            kind: _without(secret, value) if isinstance(value, str) else value
            for kind, value in output.data.items()
        }


def _without_lines(numbers: Mapping[int, Collection[int]], trace: str) -> str:
    """The traceback without the source lines of these cells that have these numbers.

    Of a frame that stands in such a line, no source is left.
    """
    kept: list[str] = []
    hidden: Collection[int] = ()
    in_hidden = False
    for line in strip_ansi(trace).split("\n"):
        if frame := _FRAME.match(line):
            hidden = numbers.get(int(frame[1]), ())
            in_hidden = int(frame[2] or 0) in hidden
        elif not _SOURCE.fullmatch(line):
            hidden, in_hidden = (), False
        elif in_hidden or (
            (found := _NUMBERED.fullmatch(line)) and int(found[1]) in hidden
        ):
            line = f"    {PLACEHOLDER}"
        if not (kept and PLACEHOLDER in line and kept[-1] == line):
            kept.append(line)
    return "\n".join(kept)


def _without(secret: Iterable[str], text: str) -> str:
    """``text`` with the secret lines replaced; colours go only where one was found."""
    bare = strip_ansi(text)
    found = [line for line in secret if line in bare]
    if not found:
        return text
    for line in found:
        bare = bare.replace(line, PLACEHOLDER)
    return bare
