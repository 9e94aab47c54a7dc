"""Kernels that a notebook's cells can be run in, and how to talk to them.

An ordinary kernel is started and talked to as Jupyter does it; one in the sandbox has
one socket (see :mod:`roadmap.grading.sandbox.wired`), which takes a tenth of the time.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any, Literal, Protocol

import zmq
from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.session import Session
from nbformat import NotebookNode
from traitlets.config import Config

from roadmap.grading.sandbox import SandboxError, WiredKernel
from roadmap.grading.sandbox.provisioner import SandboxProvisioner

GREETING = 0.1  # seconds until a kernel that does not answer is asked again
# The system takes about a hundred bytes as the path of a socket.
LONGEST_SOCKET_FOLDER = 95

_PARTS = ("header", "parent_header", "content")

Channel = Literal["shell", "iopub"]
Message = dict[str, Any]


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


class NotStartedError(Exception):
    """The kernel could not be started, or said nothing in time."""


class NonsenseError(Exception):
    """What the kernel sent is no Jupyter message."""


class RunningKernel(Protocol):
    """A kernel that runs, and the way to it."""

    kc: Any  # what nbclient calls a client: its output widgets answer through it

    def ask(self, source: str) -> str:
        """Have a cell run; returns the id by which messages name it as their parent."""

    def messages(self, until: float) -> Iterator[tuple[Channel, Message]]:
        """What the kernel says until a time (as of ``monotonic``), or until it is enough.

        Raises:
            NonsenseError: it says something else.
        """

    def interrupt(self) -> None:
        """Have it break off what it is doing."""

    def is_alive(self) -> bool:
        """Whether it can still say something."""

    def ending(self) -> tuple[str | None, str | None]:
        """Why it ended, as a word and as a sentence, where that is known."""


@contextmanager
def running_kernel(
    nb: NotebookNode, cwd: Path, runtime: Path, settings: ExecuteSettings
) -> Iterator[RunningKernel]:
    """A new kernel for ``nb``, working in ``cwd``; it ends with the block.

    Its connection is somewhere in ``runtime``.

    Raises:
        NotStartedError: it did not start, or did not answer in time.
    """
    environment = {**os.environ, "NBGRADER_EXECUTION": "autograde"}
    with tempfile.TemporaryDirectory(
        dir=runtime, ignore_cleanup_errors=True
    ) as connection:
        if settings.sandbox is not None:
            with _sandboxed(settings.sandbox, cwd, environment, settings) as kernel:
                yield kernel
            return
        manager = _manager(nb, Path(connection), settings)
        with _client(manager, cwd, environment, settings) as client:
            yield _JupyterKernel(manager, client)


@contextmanager
def _sandboxed(
    server: str, cwd: Path, env: Mapping[str, str], settings: ExecuteSettings
) -> Iterator[RunningKernel]:
    config = Config()
    config.SandboxProvisioner.update(settings.limits)
    config.SandboxProvisioner.memory_limit = settings.memory_limit
    limits = SandboxProvisioner(config=config)
    # Beside the server's socket: removed with the server, whatever happens.
    place = tempfile.mkdtemp(dir=Path(server).parent, prefix="k")
    arguments, names = settings.extra_arguments, limits.environment
    try:
        request = limits.request(place, None, str(cwd), arguments, env, names)
        kernel = WiredKernel(server, request, settings.startup_timeout)
    except (SandboxError, TimeoutError) as error:
        raise NotStartedError(error) from error
    with kernel:
        yield _SandboxedKernel(kernel)


class _SandboxedKernel:
    """A kernel at the end of a wire."""

    def __init__(self, kernel: WiredKernel) -> None:
        self._kernel = kernel
        self._session = Session()  # makes messages; nothing is signed on a wire
        shell = SimpleNamespace(send=kernel.send)
        self.kc = SimpleNamespace(session=self._session, shell_channel=shell)

    def ask(self, source: str) -> str:
        content = {
            "code": source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        msg = self._session.msg("execute_request", content)
        self._kernel.send(msg)
        return str(msg["header"]["msg_id"])

    def messages(self, until: float) -> Iterator[tuple[Channel, Message]]:
        while (left := until - monotonic()) > 0:
            try:
                said = self._kernel.receive(left)
            except ValueError as error:
                raise NonsenseError(error) from error
            for msg in said:
                if not all(isinstance(msg.get(name), dict) for name in _PARTS):
                    raise NonsenseError("a message without its parts")
                yield (
                    "shell" if msg.get("msg_type") == "execute_reply" else "iopub",
                    msg,
                )
            if self._kernel.silent:
                return

    def interrupt(self) -> None:
        self._kernel.signal(signal.SIGINT)

    def is_alive(self) -> bool:
        return not self._kernel.silent and self._kernel.ending is None

    def ending(self) -> tuple[str | None, str | None]:
        ending = self._kernel.wait()
        return ending.reason, ending.message


class _JupyterKernel:
    """A kernel as Jupyter starts it."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager, self.kc = manager, client

    def ask(self, source: str) -> str:
        return str(self.kc.execute(source, allow_stdin=False, stop_on_error=False))

    def messages(self, until: float) -> Iterator[tuple[Channel, Message]]:
        return _messages(self.kc, until)

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()

    def is_alive(self) -> bool:
        return bool(self._manager.is_alive())

    def ending(self) -> tuple[str | None, str | None]:
        return None, None


def _manager(
    nb: NotebookNode, connection: Path, settings: ExecuteSettings
) -> KernelManager:
    config = Config()
    config.KernelManager.connection_file = str(connection / "kernel.json")
    spec = nb.metadata.get("kernelspec", {}).get("name", "python3")
    if sys.platform != "win32" and len(str(connection)) < LONGEST_SOCKET_FOLDER:
        # Ports are picked before the kernel binds them: with TCP, two kernels that
        # start together can pick the same one.
        config.KernelManager.transport = "ipc"
        config.KernelManager.ip = str(connection / "s")
    return KernelManager(kernel_name=settings.kernel_name or spec, config=config)


@contextmanager
def _client(
    manager: KernelManager,
    cwd: Path,
    env: Mapping[str, str],
    settings: ExecuteSettings,
) -> Iterator[BlockingKernelClient]:
    """A new kernel's client; the kernel ends with the block."""
    arguments = list(settings.extra_arguments)
    try:
        manager.start_kernel(cwd=str(cwd), env=dict(env), extra_arguments=arguments)
    except NoSuchKernel as error:
        problem = f"{error.name!r} is not installed here"
        raise NotStartedError(problem) from error
    except (RuntimeError, OSError) as error:
        raise NotStartedError(error) from error
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
            raise NotStartedError("it died")
        if monotonic() > end:
            raise NotStartedError(f"no answer in {timeout:g} s")


def _messages(
    client: BlockingKernelClient, until: float
) -> Iterator[tuple[Channel, Message]]:
    """What comes on the shell and the iopub channel, until a time, or until it is enough."""
    poller = zmq.Poller()
    channels: dict[Any, Channel] = {
        client.shell_channel.socket: "shell",
        client.iopub_channel.socket: "iopub",
    }
    for socket in channels:
        poller.register(socket, zmq.POLLIN)
    while (left := until - monotonic()) > 0:
        for socket, _ in poller.poll(ceil(left * 1000)):
            try:
                # Signed messages only: what has no valid signature raises.
                _, parts = client.session.feed_identities(socket.recv_multipart())
                msg = client.session.deserialize(parts)
            except Exception as error:  # of any kind
                raise NonsenseError(error) from error
            yield channels[socket], msg
