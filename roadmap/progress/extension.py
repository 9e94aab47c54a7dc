"""``%load_ext roadmap``: running a lesson's check cell ticks the checklist."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from roadmap.errors import RoadmapError
from roadmap.lessons.index import Check, Course, Exercise
from roadmap.progress.model import plain
from roadmap.progress.records import Outcome
from roadmap.progress.store import ProgressStore, recording

if TYPE_CHECKING:
    from IPython.core.interactiveshell import (
        ExecutionInfo,
        ExecutionResult,
        InteractiveShell,
    )

_tickers: WeakKeyDictionary[InteractiveShell, Ticker] = WeakKeyDictionary()


class Ticker:
    """The hook that runs after each cell and ticks those that are checks.

    A check is known by its cell's id, which the build makes its grade id. Front
    ends that send ids of their own are served by the source's digest.
    """

    def __init__(self, course: Course, store: ProgressStore) -> None:
        self._store = store
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

    def __call__(self, result: ExecutionResult | None) -> None:
        """Handle IPython's ``post_run_cell`` event."""
        # Whatever goes wrong in here is no fault of the learner's cell: tell it, and let them work.
        try:
            lines = self._judge(result)
        except Exception as error:
            lines = [f"The checklist is not ticked: {type(error).__name__}: {error}"]
        for line in lines:
            print(line)  # noqa: T201  # below the learner's cell

    def _judge(self, result: ExecutionResult | None) -> list[str]:
        if result is None or (found := self._find(result.info)) is None:
            return []
        exercise, check = found
        lines = [_verdict(exercise, check, result)]
        try:
            notice = self._store.record({check.id: _outcome(result)}).notice
        except RoadmapError as error:
            notice = f"The checklist is not ticked: {error}"
        return [*lines, notice] if notice else lines

    def _find(self, info: ExecutionInfo) -> tuple[Exercise, Check] | None:
        source = info.raw_cell or ""
        if not source.strip():
            return None
        if info.cell_id in self._by_id:
            return self._by_id[info.cell_id]
        return self._by_digest.get(hashlib.sha256(source.encode("utf-8")).hexdigest())


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Start ticking; once per shell, and not at all where a grader or CI runs the notebook."""
    if ipython in _tickers or not recording():
        return
    try:
        course = Course.find(Path.cwd())
    except (RoadmapError, OSError) as error:
        print(f"The checklist will not tick: {error}")  # noqa: T201  # likewise
        return
    _tickers[ipython] = Ticker(course, ProgressStore())
    ipython.events.register("post_run_cell", _tickers[ipython])


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """Stop ticking."""
    ticker = _tickers.pop(ipython, None)
    if ticker is not None:
        ipython.events.unregister("post_run_cell", ticker)


def _outcome(result: ExecutionResult) -> Outcome:
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return Outcome(passed=True)
    if isinstance(error, NotImplementedError | NameError):
        return Outcome(passed=False)  # no answer yet
    name = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    return Outcome(False, f"{name}{error}")


def _verdict(exercise: Exercise, check: Check, result: ExecutionResult) -> str:
    """The line below a check cell: how it went and what to do next."""
    name = plain(exercise.title)
    if len(exercise.checks) > 1:
        name += f" (check {exercise.checks.index(check) + 1} of {len(exercise.checks)})"
    if result.success:
        earned = f" ({_points(check.points)})" if check.points else ""
        return (
            f"✓ {name}: visible checks passed{earned}.\n"
            "  Hidden checks run when your work is graded."
        )
    again = "run that cell, then run this check again."
    error = result.error_in_exec
    if isinstance(error, NotImplementedError):
        return (
            f"✗ {name}: no answer yet —\n  write it in the answer cell above, {again}"
        )
    if isinstance(error, NameError) and error.name:
        return (
            f"✗ {name}: the name {error.name} does not exist yet —\n"
            f"  write your answer in the cell above, {again}"
        )
    return (
        f"✗ {name}: not yet — read the message above,\n"
        "  change your answer cell, run it, then run this check again."
    )


def _points(points: float) -> str:
    return f"{points:g} point" if points == 1 else f"{points:g} points"
