"""The grader's side: own a fork server, ask it for kernels."""

from __future__ import annotations

import atexit
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, BinaryIO

from jupyter_client.jsonutil import json_default

from roadmap.grading.sandbox import cgroup, probe
from roadmap.grading.sandbox.request import (
    Ending,
    Lines,
    Request,
    SandboxError,
    to_line,
)

ADDRESS_VARIABLE = "ROADMAP_SANDBOX_SERVER"
# All that the server, and so every kernel, gets to know of the grader's environment.
_PASSED_ON = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "PYTHONHASHSEED", "TZ")
_BACKLOG = 1024
_SHUTDOWN = 5.0


class ForkServer:
    """A fork server that ends with this process, or when it is closed.

    A context manager. Kernels that were asked for at :attr:`address`, by whichever
    process of this user, end with it.
    """

    def __init__(self, preload: Sequence[str] = ()) -> None:
        """Start the server; it takes requests at once and answers when it is ready.

        ``preload`` names modules that it imports beside those of ``server.PRELOAD``.

        Raises:
            SandboxError: the folder for temporary files has too long a name.
        """
        self._owner = os.getpid()
        self.folder = Path(tempfile.mkdtemp(prefix="roadmap-"))
        self.address = str(self.folder / "server")
        self._errors: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  # see close
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            self._bind(listener)
            listener.listen(_BACKLOG)
            self._process = self._start(listener, preload)

    def _bind(self, listener: socket.socket) -> None:
        try:
            listener.bind(self.address)
        except OSError as error:
            self.folder.rmdir()
            raise SandboxError(
                f"{self.address}: {error}; set TMPDIR to a folder with a short name"
            ) from error

    def _start(
        self, listener: socket.socket, preload: Sequence[str]
    ) -> subprocess.Popen[bytes]:
        module = "roadmap.grading.sandbox.server"
        numbers = (str(listener.fileno()), str(os.getpid()))
        command = [sys.executable, "-m", module, *numbers]
        return subprocess.Popen(
            [*command, *preload],
            pass_fds=[listener.fileno()],
            env=_environment(self.folder),
            cwd=self.folder,  # empty: no module in it can be taken for another
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,
        )

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def failure(self, patience: float = 0.0) -> str | None:
        """None while the server runs, and for ``patience`` seconds; else its last words."""
        try:
            status = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return None
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return said[-1] if said else f"status {status}"

    def close(self) -> None:
        """End the server and its kernels; not from a forked child, whose it is not."""
        if os.getpid() != self._owner:
            return
        self._process.kill()
        self._process.wait(_SHUTDOWN)
        cgroup.sweep()
        self._errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    programs = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {"LANG": "C.UTF-8", **passed, "PATH": ":".join(programs), "HOME": str(home)}


_own: dict[tuple[int, tuple[str, ...]], ForkServer] = {}
_lock = threading.Lock()


def own_server(preload: Sequence[str] = ()) -> ForkServer:
    """This process's server, started when it is first needed, and anew if it has ended."""
    # A forked child finds its parent's servers here, which are not its own to end.
    key = os.getpid(), tuple(preload)
    with _lock:
        server = _own.get(key)
        if server is not None and server.failure() is None:
            return server
        if server is not None:
            server.close()
        _own[key] = server = ForkServer(preload)
        atexit.register(server.close)
        return server


@contextmanager
def served() -> Iterator[None]:
    """One fork server for this process and all that it starts, while the block runs."""
    before = os.environ.get(ADDRESS_VARIABLE)
    with ForkServer() as server:
        os.environ[ADDRESS_VARIABLE] = server.address
        try:
            yield
        finally:
            if before is None:
                del os.environ[ADDRESS_VARIABLE]
            else:
                os.environ[ADDRESS_VARIABLE] = before


@contextmanager
def head_start() -> Iterator[None]:
    """Have the sandbox tried and its server import what kernels need, beside this process."""
    if sys.platform != "linux":
        yield
        return
    probe.begin()
    with served():
        yield


class SandboxedKernel:
    """A kernel that was asked for. Its end of the connection must stay open: it dies with it."""

    def __init__(
        self, address: str, request: Request, server: ForkServer | None = None
    ) -> None:
        """Ask the server at ``address``; if it is one's own, ``server`` can say more.

        Raises:
            SandboxError: there is no server.
        """
        self._server = server
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connection.connect(address)
            self._connection.sendall(request.to_line())
        except OSError as error:
            self._connection.close()
            raise SandboxError(
                f"{address}: no fork server answers there: {error.strerror}; "
                f"unset {ADDRESS_VARIABLE} to have one started"
            ) from error
        self._connection.setblocking(False)
        self._lines = Lines(self._connection)
        self.started = False
        self.ending: Ending | None = None

    def look(self) -> None:
        """Take in what the supervisor has said; sets ``started`` and ``ending``.

        Raises:
            SandboxError: the kernel could not be started.
        """
        while self.ending is None:
            try:
                lines = self._lines.read()
            except BlockingIOError:
                return
            for line in lines:
                self._take(json.loads(line))
            if self._lines.closed and self.ending is None:
                self._lost()

    def _take(self, message: Mapping[str, Any]) -> None:
        match message["event"]:
            case "started":
                self.started = True
            case "failed" if self.started:
                self.ending = Ending("killed", -9, message["message"])
            case "failed":
                self.close()
                raise SandboxError(f"the sandbox was not started: {message['message']}")
            case "ended":
                self.ending = Ending(
                    message["reason"], message["status"], message["message"]
                )

    def _lost(self) -> None:
        if not self.started:
            self.close()
            why = self._server.failure(patience=5.0) if self._server else None
            line = "the fork server ended before the kernel was started"
            raise SandboxError(f"{line}: {why}" if why else line)
        self.ending = Ending("killed", -9, "the fork server or the supervisor ended")

    def signal(self, number: int) -> None:
        """Send a signal to the kernel and what runs in its process group."""
        self._say({"op": "signal", "signum": number})

    def kill(self) -> None:
        """End the kernel and every process of its sandbox."""
        self._say({"op": "kill"})

    def _say(self, command: Mapping[str, Any]) -> None:
        try:
            self._connection.sendall(to_line(command))
        except (BrokenPipeError, ConnectionResetError):
            self.look()  # it has ended: how, is in what it said last

    def close(self) -> None:
        """Let go; the kernel dies if it has not yet."""
        self._connection.close()


class WiredKernel(SandboxedKernel):
    """A kernel with one socket, for one client (see the module ``wired``).

    A context manager: the kernel and all of its processes are gone after the block.
    """

    def __init__(self, address: str, request: Request, patience: float) -> None:
        """Ask the server at ``address`` for it, and wait for at most ``patience`` seconds.

        Raises:
            SandboxError: it could not be started.
            TimeoutError: it is still not there.
        """
        super().__init__(address, request)
        self._request = request
        self._wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._await_start(monotonic() + patience)
            self._wire.connect(request.wire)
        except BaseException:
            self._let_go()
            raise
        self._wire.settimeout(patience)
        self._said = Lines(self._wire)
        self.silent = False

    def _await_start(self, until: float) -> None:
        while not self.started and self.ending is None:
            left = until - monotonic()
            if left <= 0 or not select.select([self._connection], [], [], left)[0]:
                raise TimeoutError("no answer in time")
            self.look()

    def __enter__(self) -> WiredKernel:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        self.wait()
        self._let_go()

    def _let_go(self) -> None:
        self._wire.close()
        self.close()
        shutil.rmtree(self._request.runtime, ignore_errors=True)

    def send(self, message: Mapping[str, Any]) -> None:
        """Say something; if the kernel is gone, that is noticed when it does not answer."""
        line = json.dumps(message, default=json_default).encode() + b"\n"
        with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            self._wire.sendall(line)

    def receive(self, patience: float) -> list[dict[str, Any]]:
        """What it says, if something comes in ``patience`` seconds.

        ``silent`` is set when it will say nothing more.

        Raises:
            ValueError: that is no JSON, or too long.
        """
        if not select.select([self._wire], [], [], patience)[0]:
            return []
        lines = self._said.read()
        self.silent = self._said.closed
        return [_loaded(line) for line in lines]

    def wait(self) -> Ending:
        """Wait for the end of all of its processes; tell how it ended."""
        while self.ending is None:
            select.select([self._connection], [], [])
            self.look()
        return self.ending


def _loaded(line: bytes) -> dict[str, Any]:
    """A message; half of a surrogate pair, which cannot be written to a file, is replaced."""
    message = json.loads(line)
    if b"\\ud" in line:
        text = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
        message = json.loads(text)
    if not isinstance(message, dict):
        raise ValueError("no object")
    return message
