"""Outputs of a notebook's cells, made of the kernel's messages and bounded as they come."""

from __future__ import annotations

import json
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete
from nbformat import NotebookNode, from_dict, v4

# What one message costs to keep, beside its text.
MESSAGE_COST = 200
KEPT_WHEN_FULL = 2000
TRUNCATED = "\n... Output truncated ...\n"
_OUTPUTS = {"stream", "error", "execute_result", "display_data", "update_display_data"}


class NotAnOutputError(Exception):
    """A message that is none of Jupyter's."""


class Outputs(NotebookClient):  # type: ignore[misc]  # nbclient is not typed
    """nbclient's keeping of outputs, with a limit of ``limit`` characters a cell.

    Only its understanding of messages is used: displays that are updated, outputs that
    are cleared, output widgets. Someone else talks to the kernel.
    """

    def __init__(self, nb: NotebookNode, limit: int) -> None:
        super().__init__(nb, store_widget_state=False, record_timing=False)
        self.reset_execution_trackers()
        # Output widgets write there what they show, into entries that only a stored
        # state has; without it they keep to their own.
        del self.widget_state
        self._limit = limit
        self._room = limit
        self._full: set[str] = set()

    def begin(self, cell: NotebookNode) -> None:
        """Empty the cell's outputs; what comes next is its own."""
        cell.outputs = []
        self.clear_before_next_output = False
        self._room, self._full = self._limit, set()

    def take(self, msg: dict[str, Any], index: int) -> bool:
        """Take in a message of the cell at ``index``; True if it was the last.

        Raises:
            NotAnOutputError: what came is no Jupyter message.
        """
        try:
            return self._take(msg, index)
        # What a kernel sends can be anything, and fail anywhere in nbclient.
        except Exception as error:
            raise NotAnOutputError(f"{type(error).__name__}: {error}") from error

    def _take(self, msg: dict[str, Any], index: int) -> bool:
        kind = msg["msg_type"]
        if kind == "clear_output":
            self._room, self._full = self._limit, set()
        elif kind in _OUTPUTS and not self._fits(kind, msg["content"]):
            return False
        try:
            self.process_message(msg, self.nb.cells[index], index)
        except CellExecutionComplete:
            return True
        return False

    def output(
        self,
        outs: list[NotebookNode],
        msg: dict[str, Any],
        display_id: str | None,
        cell_index: int,
    ) -> NotebookNode | None:
        """Keep an output; nbclient has the schema validated for each, which takes longest."""
        kind, content = msg["msg_type"], msg["content"]
        hooked = self.output_hook_stack[msg["parent_header"].get("msg_id")]
        if hooked or self.clear_before_next_output or not _is_plain(kind, content):
            return super().output(outs, msg, display_id, cell_index)
        outs.append(from_dict({"output_type": kind, **content}))
        return outs[-1]

    def _fits(self, kind: str, content: dict[str, Any]) -> bool:
        """Take the message off the room that is left; cut or refuse it when there is none."""
        size = MESSAGE_COST + _size(content)
        if size <= self._room:
            self._room -= size
            return True
        # One cut message of each kind is kept: the verdict may be in it.
        if kind in self._full or kind not in ("stream", "error", "execute_result"):
            return False
        self._full.add(kind)
        if kind == "stream":
            content["text"] = (
                content["text"][: max(self._room - MESSAGE_COST, 0)] + TRUNCATED
            )
        elif kind == "error":
            content["evalue"] = str(content["evalue"])[:KEPT_WHEN_FULL]
            content["traceback"] = [f"{content['ename']}: {content['evalue']}"]
        else:
            text = str(content["data"].get("text/plain", ""))
            content["data"] = {"text/plain": text[:KEPT_WHEN_FULL]}
            content["metadata"] = {}
        return True


def _is_plain(kind: str, content: dict[str, Any]) -> bool:
    """Whether nothing is in it that the schema of notebooks could find fault with."""
    match kind, content:
        case "stream", {"name": str(), "text": str(), **rest}:
            return not rest
        case "error", {"ename": str(), "evalue": str(), "traceback": [*lines], **rest}:
            return not rest and all(isinstance(line, str) for line in lines)
        case "execute_result", {
            "data": {"text/plain": str(), **other},
            "metadata": {**about},
            "execution_count": int(count),
            **rest,
        }:
            return type(count) is int and count >= 0 and not (other or about or rest)
    return False


def add_error(cell: NotebookNode, ename: str, evalue: str) -> None:
    """Put an error below a cell whose own was not shown."""
    traceback = [f"{ename}: {evalue}"]
    cell.outputs.append(
        v4.new_output("error", ename=ename, evalue=evalue, traceback=traceback)
    )


def _size(content: dict[str, Any]) -> int:
    text = content.get("text")
    return len(text) if isinstance(text, str) else len(json.dumps(content, default=str))
