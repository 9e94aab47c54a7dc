"""Run the cells of one notebook in a kernel, within limits.

This is the engine's place: whatever starts the kernel, the rest of the room
only calls :func:`execute` and reads what it says about each cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from nbformat import NotebookNode

from roadmap.grading.kernels import (
    ExecuteSettings,
    NonsenseError,
    NotStartedError,
    RunningKernel,
    running_kernel,
)
from roadmap.grading.outputs import NotAnOutputError, Outputs, add_error

# A kernel that was interrupted has this many seconds to answer, and one that has
# answered this many to send what belongs to the answer.
INTERRUPT_GRACE = 6.0
OUTPUT_GRACE = 4.0
ALIVE_LOOK = 0.1  # seconds between two looks whether a silent kernel lives


@dataclass(frozen=True)
class CellRun:
    """What became of one cell.

    ``ok`` and ``error`` are the kernel's own words; ``timeout`` is a cell that was
    stopped; ``lost`` one whose end was not seen. ``ename`` and ``evalue`` are the
    exception's.
    """

    state: Literal["ok", "error", "timeout", "lost"]
    ename: str = ""
    evalue: str = ""


@dataclass(frozen=True)
class Outcome:
    """How the run as a whole ended, and why it was not plain ``graded``."""

    status: Literal["graded", "timeout", "kernel_died", "out_of_memory", "error"]
    message: str | None = None


def execute(
    nb: NotebookNode,
    cwd: Path,
    runtime: Path,
    settings: ExecuteSettings,
    on_cell: Callable[[int, CellRun], None],
) -> Outcome:
    """Run the code cells of ``nb`` in order in a new kernel; outputs go into ``nb``.

    The kernel works in ``cwd`` and has its connection in ``runtime``. ``on_cell`` hears
    of each cell as it ends, so that nothing is lost when the kernel dies later. Cells
    after a death or the notebook's time limit are not run. A cell that overruns is
    interrupted; if the kernel answers, the next cells run.
    """
    try:
        with running_kernel(nb, cwd, runtime, settings) as kernel:
            return _run_cells(
                _Cells(nb, kernel, settings.output_limit), settings, on_cell
            )
    except NotStartedError as error:
        return Outcome("error", f"the kernel did not start: {error}")


def _run_cells(
    cells: _Cells, settings: ExecuteSettings, on_cell: Callable[[int, CellRun], None]
) -> Outcome:
    deadline = monotonic() + settings.notebook_timeout
    stopped = []
    for index, cell in enumerate(cells.nb.cells):
        if cell.cell_type != "code":
            continue
        left = deadline - monotonic()
        if left <= 0:
            return Outcome(
                "timeout",
                f"stopped after {settings.notebook_timeout:g} s for the whole notebook",
            )
        run, alive = cells.run(index, min(settings.cell_timeout or left, left))
        on_cell(index, run)
        where = f"code cell {cells.count}"
        if run.state == "timeout":
            stopped.append(where)
        if not alive:
            if run.state == "timeout":
                return Outcome(
                    "timeout", f"{where} ran too long and would not be interrupted"
                )
            return cells.death(where)
    if stopped:
        return Outcome("timeout", f"{', '.join(stopped)} ran too long")
    return Outcome("graded")


class _Cells:
    """A notebook's cells, run one by one in a kernel; each cell's end is known."""

    def __init__(
        self, nb: NotebookNode, kernel: RunningKernel, output_limit: int
    ) -> None:
        self.nb, self.count = nb, 0
        self._kernel = kernel
        self._outputs = Outputs(nb, output_limit)
        self._outputs.kc = kernel.kc
        self._nonsense: Exception | None = None

    def death(self, where: str) -> Outcome:
        """What to say of a kernel that did not live through a cell."""
        if self._nonsense is not None:
            what = f"{type(self._nonsense).__name__}: {self._nonsense}"
            problem = f"in {where} the kernel sent what is no Jupyter message ({what})"
            return Outcome("kernel_died", problem)
        reason, why = self._kernel.ending()
        if reason == "out_of_memory":
            return Outcome("out_of_memory", f"{where}: {why}")
        known = f": {why}" if why else ""
        return Outcome("kernel_died", f"the kernel died in {where}{known}")

    def run(self, index: int, timeout: float) -> tuple[CellRun, bool]:
        """Run one cell for at most ``timeout`` seconds; also tells if the kernel lives on."""
        cell = self.nb.cells[index]
        self._outputs.begin(cell)
        if not cell.source.strip():
            return CellRun("ok"), True
        self.count += 1
        answer = _Answer(self._kernel.ask(cell.source))
        alive = self._listen(answer, index, monotonic() + timeout)
        overran = alive and not answer.complete
        if overran:
            self._kernel.interrupt()
            alive = (
                self._listen(answer, index, monotonic() + INTERRUPT_GRACE)
                and answer.complete
            )
        cell.execution_count = self.count  # the kernel's own may be anything
        if overran:
            add_error(
                cell, "CellTimeoutError", f"the cell was stopped after {timeout:.0f} s"
            )
            return CellRun("timeout"), alive
        if not alive or answer.reply is None or not answer.idle:
            return CellRun("lost"), alive
        if answer.reply.get("status") == "ok":
            return CellRun("ok"), alive
        ename, evalue = (str(answer.reply.get(name)) for name in ("ename", "evalue"))
        if not any(output.output_type == "error" for output in cell.outputs):
            add_error(cell, ename, evalue)  # its traceback was not shown, or dropped
        return CellRun("error", ename, evalue), alive

    def _listen(self, answer: _Answer, index: int, until: float) -> bool:
        """Take in what belongs to the cell until it is complete or the time is over.

        False when the kernel cannot go on: it is dead, or what it says means nothing.
        """
        while not answer.complete and monotonic() < until:
            try:
                self._listen_a_while(
                    answer, index, min(until, monotonic() + ALIVE_LOOK)
                )
            except (NonsenseError, NotAnOutputError) as error:
                self._nonsense = error
                return False
            if not answer.complete and not self._kernel.is_alive():
                return False
        return True

    def _listen_a_while(self, answer: _Answer, index: int, until: float) -> None:
        for channel, msg in self._kernel.messages(until):
            if msg["parent_header"].get("msg_id") != answer.of:
                continue
            if channel == "shell":
                answer.take_reply(msg["content"])
            elif self._outputs.take(msg, index):
                answer.idle = True
            if answer.complete:
                return


@dataclass
class _Answer:
    """What a kernel has said of one cell: the reply, and that it is idle again."""

    of: str
    idle: bool = False
    reply: dict[str, Any] | None = None
    _outputs_until: float = float("inf")

    def take_reply(self, content: dict[str, Any]) -> None:
        self.reply = content
        self._outputs_until = monotonic() + OUTPUT_GRACE

    @property
    def complete(self) -> bool:
        """Whether nothing more is to be waited for."""
        replied = self.reply is not None
        return replied and (self.idle or monotonic() > self._outputs_until)
