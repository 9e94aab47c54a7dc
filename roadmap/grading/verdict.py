"""How many points a graded cell earns, from what its run left behind."""

from __future__ import annotations

import re

from nbformat import NotebookNode

from roadmap.grading.kernel import CellRun

MESSAGE_LIMIT = 2000
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

NEEDS_MARKING = "to be marked by a person"
NO_RESPONSE = "No response."
# The name of the error that stands for a check which did not run, or does not count.
NOT_PASSED = "NotPassed"


def judge(cell: NotebookNode, points: float, run: CellRun) -> tuple[float, str | None]:
    """Score and message of a test cell, by nbgrader's rules.

    An exception earns nothing; a number as the cell's value is partial credit;
    anything else is full marks. Unlike nbgrader, output on stderr costs nothing,
    a number above the points is no credit instead of the end of the batch, and so is
    a negative one instead of full marks.
    """
    if run.state == "timeout":
        return 0.0, "the check ran too long and was stopped"
    if run.state == "lost":
        return (
            0.0,
            "the check's end was not seen: the kernel died or its output was lost",
        )
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if run.state == "error":
        return 0.0, failure(run.ename, run.evalue)
    if errors:
        return 0.0, failure(errors[0].ename, errors[0].evalue)
    value = _number(cell)
    if value is None or value == points:
        return points, None
    if not 0 <= value <= points:  # nor is NaN
        return (
            0.0,
            f"the check gave {value:g} as its points; 0 to {points:g} can be earned",
        )
    return value, f"partial credit: {value:g} of {points:g}"


def failure(ename: str, evalue: str) -> str:
    """An exception in words: a failed assertion's own, otherwise with the exception's name."""
    ename, evalue = plain(ename), plain(evalue).strip()
    if not evalue:
        return ename
    return evalue if ename == "AssertionError" else f"{ename}: {evalue}"


def plain(text: str) -> str:
    """``text`` of bounded length, without colours or anything else a terminal obeys."""
    text = _CONTROL.sub("", _ANSI.sub("", text))
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"


def strip_ansi(text: str) -> str:
    """``text`` without terminal colours."""
    return _ANSI.sub("", text)


def _number(cell: NotebookNode) -> float | None:
    """The cell's value if it is shown as a number; the first one counts, as in nbgrader."""
    for output in cell.outputs:
        if output.output_type == "execute_result":
            text = output.data.get("text/plain")
            try:
                return float(text) if isinstance(text, str) else None
            except ValueError:
                return None
    return None
