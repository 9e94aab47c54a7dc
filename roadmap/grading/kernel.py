"""Run the cells of one notebook in a Jupyter kernel, within limits.

This is the engine's place: whatever starts the kernel, the rest of the room
only calls :func:`execute` and reads what it says about each cell.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import zmq
from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.kernelspec import NoSuchKernel
from nbformat import NotebookNode
from traitlets.config import Config

from roadmap.grading.outputs import Outputs, add_error
from roadmap.grading.sandbox import KERNEL_NAME, SandboxError

# A kernel that was interrupted has this many seconds to answer, and one that has
# answered this many to send what belongs to the answer.
INTERRUPT_GRACE = 6.0
OUTPUT_GRACE = 4.0
ALIVE_LOOK = 0.1  # seconds between two looks whether a silent kernel lives
GREETING = 0.1  # seconds until a kernel that does not answer is asked again
# The system takes about a hundred bytes as the path of a socket.
LONGEST_SOCKET_FOLDER = 95


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
        manager = _manager(nb, Path(connection), settings)
        try:
            with _client(manager, cwd, settings) as client:
                kernel = _Kernel(nb, manager, client, settings.output_limit)
                return _run_cells(kernel, settings, on_cell)
        except NoSuchKernel as error:
            return Outcome("error", f"the kernel {error.name!r} is not installed here")
        except _NotStartedError as error:
            return Outcome("error", f"the kernel did not start: {error}")


class _NotStartedError(Exception):
    """The kernel could not be started, or said nothing in time."""


def _manager(
    nb: NotebookNode, connection: Path, settings: ExecuteSettings
) -> KernelManager:
    config = Config()
    config.KernelManager.connection_file = str(connection / "kernel.json")
    spec = nb.metadata.get("kernelspec", {}).get("name", "python3")
    kernel_name = settings.kernel_name or spec
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
    return KernelManager(kernel_name=kernel_name, config=config)


@contextmanager
def _client(
    manager: KernelManager, cwd: Path, settings: ExecuteSettings
) -> Iterator[BlockingKernelClient]:
    """A new kernel's client; the kernel ends with the block.

    Raises:
        NoSuchKernel: it is not installed.
        _NotStartedError: it did not start, or did not answer in time.
    """
    env = {**os.environ, "NBGRADER_EXECUTION": "autograde"}
    arguments = list(settings.extra_arguments)
    try:
        manager.start_kernel(cwd=str(cwd), env=env, extra_arguments=arguments)
    except (RuntimeError, OSError, SandboxError) as error:
        raise _NotStartedError(error) from error
    client: BlockingKernelClient = manager.client()
    try:
        client.start_channels(stdin=False, hb=False)
        _wait_until_ready(manager, client, settings.startup_timeout)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        client.context.destroy(linger=0)


def _wait_until_ready(
    manager: KernelManager, client: BlockingKernelClient, timeout: float
) -> None:
    """Ask for the kernel's info until it is heard on both channels.

    jupyter_client's own way ends with a pause of 0.2 s, to let the other channel join.
    """
    end = monotonic() + timeout
    asked: set[str] = set()
    heard: set[str] = set()
    while len(heard) < 2:
        asked.add(client.kernel_info())
        for channel, msg in _messages(client, monotonic() + GREETING):
            if msg["parent_header"].get("msg_id") in asked:
                heard.add(channel)
            if len(heard) == 2:
                break
        if not manager.is_alive():
            raise _NotStartedError("it died")
        if monotonic() > end:
            raise _NotStartedError(f"no answer in {timeout:g} s")


def _messages(
    client: BlockingKernelClient, until: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What comes on the shell and the iopub channel, until a time, or until it is enough.

    Raises:
        Exception: of any kind; what came is no Jupyter message.
    """
    poller = zmq.Poller()
    channels = {
        client.shell_channel.socket: "shell",
        client.iopub_channel.socket: "iopub",
    }
    for socket in channels:
        poller.register(socket, zmq.POLLIN)
    while (left := until - monotonic()) > 0:
        for socket, _ in poller.poll(ceil(left * 1000)):
            # Signed messages only: what has no valid signature raises.
            _, parts = client.session.feed_identities(socket.recv_multipart())
            yield channels[socket], client.session.deserialize(parts)


def _run_cells(
    kernel: _Kernel, settings: ExecuteSettings, on_cell: Callable[[int, CellRun], None]
) -> Outcome:
    deadline = monotonic() + settings.notebook_timeout
    stopped = []
    for index, cell in enumerate(kernel.nb.cells):
        if cell.cell_type != "code":
            continue
        left = deadline - monotonic()
        if left <= 0:
            return Outcome(
                "timeout",
                f"stopped after {settings.notebook_timeout:g} s for the whole notebook",
            )
        run, alive = kernel.run_cell(index, min(settings.cell_timeout or left, left))
        on_cell(index, run)
        where = f"code cell {kernel.count}"
        if run.state == "timeout":
            stopped.append(where)
        if not alive:
            if run.state == "timeout":
                return Outcome(
                    "timeout", f"{where} ran too long and would not be interrupted"
                )
            return kernel.death(where)
    if stopped:
        return Outcome("timeout", f"{', '.join(stopped)} ran too long")
    return Outcome("graded")


class _Kernel:
    """A kernel that runs a notebook's cells one by one; each cell's end is known."""

    def __init__(
        self,
        nb: NotebookNode,
        manager: KernelManager,
        client: BlockingKernelClient,
        output_limit: int,
    ) -> None:
        self.nb, self.count = nb, 0
        self._manager, self._client = manager, client
        self._outputs = Outputs(nb, output_limit)
        self._outputs.kc = client  # output widgets answer through it

    def death(self, where: str) -> Outcome:
        """What to say of a kernel that did not live through a cell."""
        provisioner = self._manager.provisioner
        why = getattr(provisioner, "exit_message", None)
        if getattr(provisioner, "exit_reason", None) == "out_of_memory":
            return Outcome("out_of_memory", f"{where}: {why}")
        known = f": {why}" if why else ""
        return Outcome("kernel_died", f"the kernel died in {where}{known}")

    def run_cell(self, index: int, timeout: float) -> tuple[CellRun, bool]:
        """Run one cell for at most ``timeout`` seconds; also tells if the kernel lives on."""
        cell = self.nb.cells[index]
        self._outputs.begin(cell)
        if not cell.source.strip():
            return CellRun("ok"), True
        self.count += 1
        answer = _Answer(
            self._client.execute(cell.source, allow_stdin=False, stop_on_error=False)
        )
        alive = self._listen(answer, index, monotonic() + timeout)
        overran = alive and not answer.complete
        if overran:
            self._manager.interrupt_kernel()
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
        if answer.reply["status"] == "ok":
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
            except Exception:
                # Not an error of the cell (those are outputs): the kernel sent something
                # that is no Jupyter message, and what it says next means nothing.
                return False
            if not answer.complete and not self._manager.is_alive():
                return False
        return True

    def _listen_a_while(self, answer: _Answer, index: int, until: float) -> None:
        for channel, msg in _messages(self._client, until):
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
