"""The IPython kernel inside a room."""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import zmq
from ipykernel.heartbeat import Heartbeat
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.compilerop import CachingCompiler
from IPython.core.inputtransformer2 import TransformerManager
from traitlets import DottedObjectName, Instance, Type

from roadmap.grading.sandbox import linux, room
from roadmap.grading.sandbox.channel import Channel
from roadmap.grading.sandbox.launch import keep_open
from roadmap.grading.sandbox.request import Request

_PORTS = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")
_CONNECTION_FILE = f"{room.RUN}/kernel.json"
_BACKLOG = 100
SETTINGS = (
    "--HistoryManager.hist_file=:memory:",
    # The default mode colours the source round each call: forty times the time, and a
    # failed check would show the hidden tests below it.
    "--InteractiveShell.xmode=Plain",
)

# A line with IPython's own syntax begins with a sign, assigns one, or asks.
_SPECIAL = re.compile(r"\A\s*[%!?,;/]|=\s*[%!]|\?\s*\Z")

Sockets = dict[int, socket.socket]


def listen(request: Request) -> Sockets:
    """Make the kernel's sockets where its clients look for them, by port.

    They belong to this network namespace, but lie in a folder that the kernel does not
    have: it gets them open, and cannot put anything else in their place.
    """
    sockets = {}
    connection = request.connection or {}
    for name in _PORTS:
        port = int(connection[name])
        path = Path(request.runtime, f"k-{port}")
        path.unlink(missing_ok=True)  # of a kernel that is restarted
        sockets[port] = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sockets[port].bind(str(path))
        sockets[port].listen(_BACKLOG)
    return sockets


def run(request: Request, channel: Channel, sockets: Sockets, cwd: str) -> NoReturn:
    """Be a kernel with the sockets that Jupyter's clients know."""
    files = {end.fileno() for end in sockets.values()}
    live(request, channel, cwd, files, lambda: _initialized(request, sockets))


def live(
    request: Request,
    channel: Channel,
    cwd: str,
    files: set[int],
    initialized: Callable[[], IPKernelApp],
) -> NoReturn:
    """Be the kernel that ``initialized`` makes, with ``files`` open, in the folder ``cwd``.

    Tells when it is ready and the supervisor may look away.
    """
    linux.prctl(linux.PR_SET_DUMPABLE, 1)
    os.setsid()
    keep_open({channel.fileno(), *files})
    try:
        _set_environment(request.env, cwd)
        app = initialized()
        channel.send({"ready": True})
        if channel.receive() is None:  # else: the supervisor has a hold on this process
            os._exit(1)
        channel.close()
    except BaseException as error:
        channel.send({"failed": f"the kernel: {type(error).__name__}: {error}"})
        os._exit(1)
    try:
        app.start()  # type: ignore[no-untyped-call]
    finally:
        atexit._run_exitfuncs()
        os._exit(0)


def _set_environment(env: Mapping[str, str], cwd: str) -> None:
    os.environ.update(
        env,
        HOME=room.HOME,
        USER=room.USER,
        LOGNAME=room.USER,
        SHELL="/bin/sh",
        XDG_RUNTIME_DIR=room.RUN,
    )
    os.umask(0o022)
    os.chdir(cwd)
    sys.argv = ["ipykernel_launcher"]
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Stream(OutStream):
    """ipykernel's, but nothing waits for its thread when there is nothing to send."""

    def flush(self) -> None:
        if self._flush_pending or self._subprocess_flush_pending:
            super().flush()  # type: ignore[no-untyped-call]


class Transformers(TransformerManager):  # type: ignore[misc]  # not typed there
    """IPython's, but only what may hold a magic or a question is cut into tokens."""

    def __init__(self) -> None:
        super().__init__()
        self._known = list(self.token_transformers)

    def do_token_transforms(self, lines: list[str]) -> list[str]:
        known = self.token_transformers == self._known
        if known and not any(map(_SPECIAL.search, lines)):
            return lines
        transformed: list[str] = super().do_token_transforms(lines)
        return transformed


class Shell(ZMQInteractiveShell):
    """ipykernel's, which has each cell transformed and compiled twice to see if it awaits."""

    input_transformer_manager = Instance(Transformers, ())
    _transformed: tuple[str, str] | None = None

    def should_run_async(
        self, raw_cell: str, *, transformed_cell: str | None = None, **kwargs: Any
    ) -> bool:
        cell = transformed_cell or ""
        if "await" not in cell and "async" not in cell:
            return False
        is_async: bool = super().should_run_async(
            raw_cell, transformed_cell=transformed_cell, **kwargs
        )
        return is_async

    def transform_cell(self, raw_cell: str) -> str:
        if self._transformed and self._transformed[0] == raw_cell:
            cell, self._transformed = self._transformed[1], None
        else:
            cell = super().transform_cell(raw_cell)
            self._transformed = raw_cell, cell
        return cell

    def warm_up(self) -> None:
        """Do once what takes longer the first time: a cell's source, value and error."""
        super().transform_cell("%pwd")
        self.display_formatter.format(0)
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            self.InteractiveTB.structured_traceback(*sys.exc_info())


class Kernel(IPythonKernel):
    """ipykernel's, without what only a debugger or a person before a screen needs."""

    shell_class = Type(Shell)
    compiler_class = Type(CachingCompiler)
    _execute_sleep = 0.0


class KernelApp(IPKernelApp):  # not _KernelApp: traitlets makes options of class names
    """IPython's kernel, on sockets that are open already."""

    sockets: Sockets
    kernel_class = Type(Kernel, klass=IPythonKernel)
    outstream_class = DottedObjectName(f"{__name__}.Stream")

    def _try_bind_socket(self, s: Any, port: int) -> int:
        s.setsockopt(zmq.USE_FD, self.sockets.pop(port).detach())
        bound: int = super()._try_bind_socket(s, port)  # type: ignore[no-untyped-call]
        return bound

    def init_control(self, context: Any) -> None:
        super().init_control(context)  # type: ignore[no-untyped-call]
        # It would look for the shell socket by name, and go on doing so.
        endpoint = self.shell_socket.getsockopt(zmq.LAST_ENDPOINT)
        self.debug_shell_socket.disconnect(endpoint)

    def init_heartbeat(self) -> None:
        where = (self.transport, self.ip, self.hb_port)
        self.heartbeat = _Heartbeat(zmq.Context(), where)  # type: ignore[no-untyped-call]
        self.heartbeat.given = self.sockets.pop(self.hb_port)
        self.heartbeat.start()


class _Heartbeat(Heartbeat):
    given: socket.socket

    def _try_bind_socket(self) -> Any:
        self.socket.setsockopt(zmq.USE_FD, self.given.detach())
        return super()._try_bind_socket()  # type: ignore[no-untyped-call]


def _initialized(request: Request, sockets: Sockets) -> KernelApp:
    connection = {
        **(request.connection or {}),
        "ip": "kernel",
    }  # any: its sockets are open
    Path(_CONNECTION_FILE).write_text(json.dumps(connection), encoding="utf-8")
    app: KernelApp = KernelApp.instance()
    app.sockets = sockets
    app.initialize(["-f", _CONNECTION_FILE, *SETTINGS, *request.arguments])
    return app
