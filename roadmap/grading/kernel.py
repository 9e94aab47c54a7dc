"""Run the cells of one notebook in a Jupyter kernel, within limits.

This is the engine's place: whatever starts the kernel, the rest of the room
only calls :func:`execute` and reads what it says about each cell.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete, DeadKernelError
from nbclient.util import ensure_async
from nbformat import NotebookNode, v4
from traitlets.config import Config

from roadmap.grading.sandbox import KERNEL_NAME, SandboxError

# A kernel that was interrupted has this many seconds to answer. It is longer than
# nbclient's own wait for the last outputs of a cell (four seconds).
INTERRUPT_GRACE = 6.0
# What one message costs to keep, beside its text.
MESSAGE_COST = 200
KEPT_WHEN_FULL = 2000
# The system takes about a hundred bytes as the path of a socket.
LONGEST_SOCKET_FOLDER = 95
TRUNCATED = "\n... Output truncated ...\n"


@dataclass(frozen=True)
class ExecuteSettings:
    """How a notebook is run; times in seconds, ``output_limit`` in characters a cell.

    ``kernel_name`` None means the notebook's own kernelspec; ``cell_timeout``
    None means no limit but the notebook's. ``sandbox`` is the address of the fork
    server to have the kernel from, None means an ordinary one; ``memory_limit`` is
    in bytes; ``limits`` are what the settings say of ``SandboxProvisioner``.
    """

    kernel_name: str | None
    extra_arguments: tuple[str, ...]
    startup_timeout: float
    cell_timeout: float | None
    notebook_timeout: float
    output_limit: int
    memory_limit: int
    sandbox: str | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)


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
    with tempfile.TemporaryDirectory(
        dir=runtime, ignore_cleanup_errors=True
    ) as connection:
        client = _Client(nb, cwd, Path(connection), settings)
        return asyncio.run(_execute(client, settings, on_cell))


async def _execute(
    client: _Client, settings: ExecuteSettings, on_cell: Callable[[int, CellRun], None]
) -> Outcome:
    client.create_kernel_manager()
    try:
        env = {**os.environ, "NBGRADER_EXECUTION": "autograde"}
        await client.async_start_new_kernel(env=env)
        await client.async_start_new_kernel_client()
    except NoSuchKernel as error:
        return Outcome("error", f"the kernel {error.name!r} is not installed here")
    except (RuntimeError, OSError, SandboxError) as error:
        return Outcome("error", f"the kernel did not start: {error}")
    try:
        return await _run_cells(client, settings, on_cell)
    finally:
        await client._async_cleanup_kernel()


async def _run_cells(
    client: _Client, settings: ExecuteSettings, on_cell: Callable[[int, CellRun], None]
) -> Outcome:
    deadline = monotonic() + settings.notebook_timeout
    stopped = []
    for index, cell in enumerate(client.nb.cells):
        if cell.cell_type != "code":
            continue
        left = deadline - monotonic()
        if left <= 0:
            return Outcome(
                "timeout",
                f"stopped after {settings.notebook_timeout:g} s for the whole notebook",
            )
        run, alive = await client.run_cell(
            index, min(settings.cell_timeout or left, left)
        )
        on_cell(index, run)
        where = f"code cell {client.code_cells_executed}"
        if run.state == "timeout":
            stopped.append(where)
        if not alive:
            if run.state == "timeout":
                return Outcome(
                    "timeout", f"{where} ran too long and would not be interrupted"
                )
            return client.death(where)
    if stopped:
        return Outcome("timeout", f"{', '.join(stopped)} ran too long")
    return Outcome("graded")


class _Client(NotebookClient):  # type: ignore[misc]  # nbclient is not typed
    """nbclient, but a cell's end is always known and its output is bounded as it comes."""

    def __init__(
        self, nb: NotebookNode, cwd: Path, connection: Path, settings: ExecuteSettings
    ) -> None:
        config = Config()
        config.KernelManager.connection_file = str(connection / "kernel.json")
        kernel_name = settings.kernel_name or ""
        if settings.sandbox is not None:
            kernel_name = KERNEL_NAME
            config.SandboxProvisioner.update(settings.limits)
            config.SandboxProvisioner.server = settings.sandbox
            config.SandboxProvisioner.memory_limit = settings.memory_limit
        elif sys.platform != "win32" and len(str(connection)) < LONGEST_SOCKET_FOLDER:
            # Ports are picked before the kernel binds them: with TCP, two kernels that
            # start together can pick the same one.
            config.KernelManager.transport = "ipc"
            config.KernelManager.ip = str(connection / "s")
        super().__init__(
            nb,
            config=config,
            resources={"metadata": {"path": str(cwd)}},
            kernel_name=kernel_name,
            extra_arguments=list(settings.extra_arguments),
            startup_timeout=settings.startup_timeout,
            allow_errors=True,
            record_timing=False,
            store_widget_state=False,
            shutdown_kernel="immediate",
            on_cell_executed=self._keep_reply,
        )
        self._limit = settings.output_limit
        self._reply: dict[str, Any] | None = None
        self._idle = False
        self._room = 0
        self._full: set[str] = set()

    def death(self, where: str) -> Outcome:
        """What to say of a kernel that did not live through a cell."""
        provisioner = self.km.provisioner
        if getattr(provisioner, "exit_reason", None) == "out_of_memory":
            return Outcome("out_of_memory", f"{where}: {provisioner.exit_message}")
        return Outcome("kernel_died", f"the kernel died in {where}")

    async def run_cell(self, index: int, timeout: float) -> tuple[CellRun, bool]:
        """Run one cell for at most ``timeout`` seconds; also tells if the kernel lives on."""
        cell = self.nb.cells[index]
        if not cell.source.strip():
            return CellRun("ok"), True
        self._reply, self._idle, self._room, self._full = (
            None,
            False,
            self._limit,
            set(),
        )
        count = self.code_cells_executed + 1
        task = asyncio.ensure_future(
            self.async_execute_cell(cell, index, execution_count=count)
        )
        overran = not (await asyncio.wait({task}, timeout=timeout))[0]
        if overran:
            await ensure_async(self.km.interrupt_kernel())
            if not (await asyncio.wait({task}, timeout=INTERRUPT_GRACE))[0]:
                task.cancel()
        alive = await self._settled(task)
        cell.execution_count = count  # the kernel's own may be anything
        if overran:
            _add_error(
                cell, "CellTimeoutError", f"the cell was stopped after {timeout:.0f} s"
            )
            return CellRun("timeout"), alive
        if not alive or self._reply is None or not self._idle:
            return CellRun("lost"), alive
        if self._reply["status"] == "ok":
            return CellRun("ok"), alive
        ename, evalue = str(self._reply.get("ename")), str(self._reply.get("evalue"))
        if not any(output.output_type == "error" for output in cell.outputs):
            _add_error(cell, ename, evalue)  # its traceback was not shown, or dropped
        return CellRun("error", ename, evalue), alive

    async def _settled(self, task: asyncio.Future[Any]) -> bool:
        """Wait for the cell's task; False when the kernel cannot go on."""
        try:
            await task
        except (DeadKernelError, asyncio.CancelledError):
            return False
        except Exception:
            # Not an error of the cell (those are outputs): the kernel sent something
            # that is no Jupyter message, and what it says next means nothing.
            return False
        return True

    def _keep_reply(
        self, cell: NotebookNode, cell_index: int, execute_reply: Any
    ) -> None:
        self._reply = execute_reply["content"]

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        """nbclient's, for messages that fit into what the cell may still say."""
        kind = msg["msg_type"]
        if kind == "clear_output":
            self._room, self._full = self._limit, set()
        elif kind in _OUTPUTS and not self._fits(kind, msg["content"]):
            return None
        try:
            return super().process_message(msg, cell, cell_index)
        except CellExecutionComplete:
            self._idle = True
            raise

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


_OUTPUTS = {"stream", "error", "execute_result", "display_data", "update_display_data"}


def _size(content: dict[str, Any]) -> int:
    text = content.get("text")
    return len(text) if isinstance(text, str) else len(json.dumps(content, default=str))


def _add_error(cell: NotebookNode, ename: str, evalue: str) -> None:
    traceback = [f"{ename}: {evalue}"]
    cell.outputs.append(
        v4.new_output("error", ename=ename, evalue=evalue, traceback=traceback)
    )
