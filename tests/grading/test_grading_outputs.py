"""Messages of a kernel become outputs that are valid, whether or not they are validated."""

from __future__ import annotations

from typing import Any

import pytest
from nbformat import v4

from roadmap.grading.outputs import NotAnOutputError, Outputs

RESULT = {"data": {"text/plain": "1"}, "metadata": {}, "execution_count": 1}
ERROR = {"ename": "E", "evalue": "e", "traceback": ["one", "two"]}


def _message(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "header": {"msg_type": kind},
        "msg_type": kind,
        "parent_header": {"msg_id": "1"},
        "content": content,
    }


def _taken(kind: str, content: dict[str, Any]) -> Any:
    nb = v4.new_notebook(cells=[v4.new_code_cell("")])
    outputs = Outputs(nb, 10_000)
    outputs.begin(nb.cells[0])
    outputs.take(_message(kind, content), 0)
    (output,) = nb.cells[0].outputs
    return output


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("stream", {"name": "stdout", "text": "a\n"}),
        ("execute_result", RESULT),
        ("execute_result", {**RESULT, "data": {"text/html": "<b>", "text/plain": "b"}}),
        ("display_data", {"data": {"image/png": "AA=="}, "metadata": {}}),
        ("error", ERROR),
        ("error", {**ERROR, "status": "error"}),
    ],
)
def test_output_is_what_nbformat_makes_of_the_message(
    kind: str, content: dict[str, Any]
) -> None:
    output = _taken(kind, content)
    assert output == v4.output_from_msg(_message(kind, content))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("stream", {"name": "stdout", "text": {"a": 1}}),
        ("stream", {"name": None, "text": "a"}),
        ("error", {**ERROR, "evalue": 1}),
        ("error", {**ERROR, "traceback": ["one", 2]}),
        ("error", {**ERROR, "traceback": "one"}),
        ("execute_result", {**RESULT, "data": {"text/plain": 1}}),
        ("execute_result", {**RESULT, "data": []}),
        ("execute_result", {**RESULT, "metadata": 1}),
        ("execute_result", {**RESULT, "execution_count": True}),
        ("execute_result", {**RESULT, "execution_count": -1}),
        ("execute_result", {**RESULT, "execution_count": "1"}),
    ],
)
def test_what_is_no_output_is_refused(kind: str, content: dict[str, Any]) -> None:
    with pytest.raises(NotAnOutputError):
        _taken(kind, content)
