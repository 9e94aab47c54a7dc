"""``%load_ext roadmap``: running a lesson's check cell ticks the checklist.

A check that fails shows its message first; the traceback is folded below it.
"""

from __future__ import annotations

import hashlib
import re
import sys
import textwrap
import traceback
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from roadmap.errors import RoadmapError
from roadmap.lessons.index import Check, Course, Exercise
from roadmap.progress import verdict
from roadmap.progress.records import Outcome
from roadmap.progress.store import ProgressStore, recording

if TYPE_CHECKING:
    from IPython.core.interactiveshell import (
        ExecutionInfo,
        ExecutionResult,
        InteractiveShell,
    )

WIDTH = 88  # characters; front ends break longer lines of an error inside words
LIMIT = 2000  # characters of a message; the folded traceback has all of it
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_tickers: WeakKeyDictionary[InteractiveShell, Ticker] = WeakKeyDictionary()


class Ticker:
    """The hooks round each cell: those that are checks are shown and ticked.

    A check is known by its cell's id, which the build makes its grade id. Front
    ends that send ids of their own are served by the source's digest.
    """

    def __init__(
        self, shell: InteractiveShell, course: Course, store: ProgressStore
    ) -> None:
        self._shell = shell
        self._course = course
        self._store = store
        self._traceback: str | None = None
        self._shows = False
        self._by_id = {
            check.id: (exercise, check) for _, _, exercise, check in course.checks()
        }
        # Two checks with the same visible text cannot be told apart by it.
        digests = Counter(check.digest for _, check in self._by_id.values())
        self._by_digest = {
            check.digest: (exercise, check)
            for exercise, check in self._by_id.values()
            if digests[check.digest] == 1
        }

    def before(self, info: ExecutionInfo) -> None:
        """Handle IPython's ``pre_run_cell`` event: a notebook's check shows errors our way."""
        self._traceback = None
        # A terminal folds nothing, and there the message stands last, next to the prompt.
        if hasattr(self._shell, "kernel") and self._find(info):
            self._shell.set_custom_exc((Exception,), self._show_error)
            self._shows = True

    def after(self, result: ExecutionResult | None) -> None:
        """Handle IPython's ``post_run_cell`` event."""
        if self._shows:
            self._shell.set_custom_exc((), None)
            self._shows = False
        # Whatever goes wrong in here is no fault of the learner's cell: tell it, and let them work.
        try:
            lines = self._judge(result)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            lines = [(f"The checklist is not ticked: {what}",)]
        if lines:
            data = {
                "text/plain": verdict.as_text(lines),
                "text/html": verdict.as_html(lines, self._traceback),
            }
            self._shell.display_pub.publish(data)

    def _judge(self, result: ExecutionResult | None) -> list[verdict.Line]:
        if result is None or (found := self._find(result.info)) is None:
            return []
        exercise, check = found
        lines: list[verdict.Line]
        if result.success:
            lines = [(verdict.passed(exercise, check),)]
        else:
            error = result.error_before_exec or result.error_in_exec
            lines = [(verdict.failed(exercise, check, error),)]
        try:
            progress = self._store.record({check.id: _outcome(result)})
        except RoadmapError as error:
            return [*lines, (f"The checklist is not ticked: {error}",)]
        if result.success:
            lines.append(verdict.next_step(self._course, check, progress))
        if progress.notice:
            lines.append((progress.notice,))
        return lines

    def _find(self, info: ExecutionInfo) -> tuple[Exercise, Check] | None:
        source = info.raw_cell or ""
        if not source.strip():
            return None
        if info.cell_id in self._by_id:
            return self._by_id[info.cell_id]
        return self._by_digest.get(hashlib.sha256(source.encode("utf-8")).hexdigest())

    def _show_error(
        self,
        shell: InteractiveShell,
        etype: type[BaseException],
        error: BaseException,
        trace: TracebackType,
        tb_offset: int | None = None,
    ) -> list[str]:
        """IPython's handler for errors: publishes the message as the error, keeps the rest.

        The cell has failed all the same: the kernel's reply says so.
        """
        sys.last_type, sys.last_value, sys.last_traceback = (
            etype,
            error,
            trace,
        )  # %debug
        if isinstance(error, BaseExceptionGroup):  # IPython formats none of these
            lines = traceback.format_exception(error)
        else:
            lines = shell.InteractiveTB.structured_traceback(
                etype, error, trace, tb_offset=tb_offset
            )
        self._traceback = _TERMINAL.sub("", "\n".join(lines)).strip("-\n")
        shown = [_message(error)]
        if not isinstance(error, AssertionError):
            shown += _place(shell, trace)
        shell._showtraceback(etype, error, shown)
        return shown


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Start ticking; once per shell, and not at all where a grader or CI runs the notebook."""
    if ipython in _tickers or not recording():
        return
    try:
        course = Course.find(Path.cwd())
    except (RoadmapError, OSError) as error:
        print(f"The checklist will not tick: {error}")  # noqa: T201  # below the learner's cell
        return
    ticker = _tickers[ipython] = Ticker(ipython, course, ProgressStore())
    ipython.events.register("pre_run_cell", ticker.before)
    ipython.events.register("post_run_cell", ticker.after)


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """Stop ticking."""
    ticker = _tickers.pop(ipython, None)
    if ticker is not None:
        ipython.events.unregister("pre_run_cell", ticker.before)
        ipython.events.unregister("post_run_cell", ticker.after)


def _outcome(result: ExecutionResult) -> Outcome:
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return Outcome(passed=True)
    if isinstance(error, NotImplementedError | NameError | KeyboardInterrupt):
        return Outcome(passed=False)  # no answer yet, or none that ends
    return Outcome(False, _said(error))


def _said(error: BaseException) -> str:
    """What an error says: a failed assertion's own words, otherwise with the error's name."""
    name, words = type(error).__name__, str(error).strip()
    if not words:
        return name
    return words if isinstance(error, AssertionError) else f"{name}: {words}"


def _message(error: BaseException) -> str:
    """:func:`_said` in lines that fit, without anything that a terminal obeys."""
    words = _TERMINAL.sub("", _said(error))
    if len(words) > LIMIT:
        words = f"{words[:LIMIT]}…"
    return "\n".join(
        textwrap.fill(
            line,
            WIDTH,
            replace_whitespace=False,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in words.splitlines()
    )


def _place(shell: InteractiveShell, trace: TracebackType) -> list[str]:
    """The line of the learner's own cells in which it happened, if it was in one of them."""
    cells = [
        frame
        for frame in traceback.extract_tb(trace)
        if shell.compile.format_code_name(frame.filename)
    ]
    # The first of them is the check's own.
    for frame in reversed(cells):
        if frame.filename != cells[0].filename:
            kind, name = shell.compile.format_code_name(frame.filename)
            # Two lines: VS Code makes a link of the first and drops what follows in it.
            return [f"{kind} {name}, line {frame.lineno}:", f"    {frame.line}"]
    return []
