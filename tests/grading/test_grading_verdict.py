"""From what a check left behind to points and a message."""

from __future__ import annotations

import pytest
from nbformat import v4

from roadmap.grading.kernel import CellRun
from roadmap.grading.rows import CellScore, Row
from roadmap.grading.verdict import MESSAGE_LIMIT, failure, judge, plain

OK = CellRun("ok")


def value(text: object) -> v4.nbbase.NotebookNode:
    return v4.new_output("execute_result", data={"text/plain": text}, execution_count=1)


@pytest.mark.parametrize(
    ("output", "score"),
    [
        (value("1.5"), 1.5),
        (value("0"), 0.0),
        (value("2"), 2.0),
        (value("2.5"), 0.0),
        (value("inf"), 0.0),
        (value("nan"), 0.0),
        (value("-1"), 0.0),
        (value("'done'"), 2.0),
        (value(["1", "2"]), 2.0),
        (v4.new_output("stream", name="stderr", text="DeprecationWarning"), 2.0),
        (v4.new_output("stream", name="stdout", text="0"), 2.0),
        (v4.new_output("error", ename="E", evalue="v", traceback=[]), 0.0),
    ],
)
def test_score_follows_nbgraders_rules_but_forgives_stderr(
    output: object, score: float
) -> None:
    cell = v4.new_code_cell(outputs=[output])
    got, message = judge(cell, 2.0, OK)
    assert got == score
    assert (message is None) == (score == 2.0)


def test_error_counts_though_a_number_was_shown_first() -> None:
    error = v4.new_output("error", ename="AssertionError", evalue="no", traceback=[])
    assert judge(v4.new_code_cell(outputs=[value("2"), error]), 2.0, OK) == (0.0, "no")


@pytest.mark.parametrize("state", ["error", "timeout", "lost"])
def test_no_outputs_are_no_pass_when_the_run_did_not_end_well(state: str) -> None:
    run = CellRun(state, "NameError", "x")  # type: ignore[arg-type]
    score, message = judge(v4.new_code_cell(), 2.0, run)
    assert score == 0.0
    assert message


def test_message_is_the_checks_own_without_colours_and_bounded() -> None:
    assert (
        failure("AssertionError", "\x1b[31mf(1) returned 2\x1b[0m") == "f(1) returned 2"
    )
    assert failure("AssertionError", "a\x1b]0;title\x07\r\x00\x9b2Jb\nc\td") == (
        "a]0;title2Jb\nc\td"
    )
    assert failure("AssertionError", "") == "AssertionError"
    assert failure("NameError", "name 'f'") == "NameError: name 'f'"
    assert len(plain("x" * 10**6)) == MESSAGE_LIMIT


def test_row_has_the_keys_of_the_design_and_reads_back() -> None:
    cells = {
        "test-x": CellScore(1.5, 2.0, "partial"),
        "essay": CellScore(None, 4.0, "by hand"),
    }
    row = Row.of("ada", "ps1", "p1", "graded", cells, 1.23456)
    data = row.to_dict()
    assert list(data) == [
        "student",
        "assignment",
        "notebook",
        "status",
        "score",
        "max_score",
        "seconds",
        "cells",
        "message",
    ]
    assert (data["score"], data["max_score"], data["seconds"]) == (1.5, 6.0, 1.235)
    assert data["cells"]["test-x"] == {
        "score": 1.5,
        "max_score": 2.0,
        "message": "partial",
    }
    assert Row.from_dict(data) == row
