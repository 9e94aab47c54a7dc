"""The same kernel on one socket: Jupyter's messages, a JSON line each, without ZeroMQ.

For a grader that runs a notebook's cells one after the other, Jupyter's five channels and
their threads cost more than the cells. What is said on the wire are Jupyter's messages of
the shell and the iopub channel, in the order in which they were sent; what a front end
alone would need (that the kernel is busy, the code again) is left out.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections import deque
from collections.abc import Sequence
from time import monotonic
from types import SimpleNamespace
from typing import Any, NoReturn

from ipykernel.iostream import IOPubThread
from ipykernel.ipkernel import IPythonKernel
from IPython.core.profiledir import ProfileDir
from IPython.paths import get_ipython_dir
from jupyter_client.jsonutil import json_default
from jupyter_client.session import Session, new_id
from tornado.ioloop import IOLoop
from traitlets import Any as AnyTrait
from traitlets import DottedObjectName, Type

from roadmap.grading.sandbox import kernel
from roadmap.grading.sandbox.channel import Channel
from roadmap.grading.sandbox.request import Lines, Request

HOLD_AT = 1 << 16  # bytes of messages, or characters of output, that are not held back
HOLD_FOR = 0.2  # seconds after which they are not held back, once there is more


def listen(request: Request) -> socket.socket:
    """Make the kernel's socket where its client looks for it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(request.wire)
    listener.listen(1)
    return listener


def run(
    request: Request, channel: Channel, listener: socket.socket, cwd: str
) -> NoReturn:
    """Be the kernel; the rest is as in :func:`roadmap.grading.sandbox.kernel.run`."""
    kernel.live(
        request, channel, cwd, {listener.fileno()}, lambda: _app(request, listener)
    )


def make(arguments: Sequence[str] = ()) -> None:
    """Make the kernel, but for what each room has its own of; see KernelApp.move_in.

    That takes ten times as long as to move in, so the fork server does it once.
    """
    app: KernelApp = KernelApp.instance()
    app.initialize([*kernel.SETTINGS, *arguments])
    app.log.setLevel(app.log_level)  # or records are made that no handler takes
    app.kernel.shell.warm_up()


def forget() -> None:
    """Let another kernel be made in this process."""
    for made in (KernelApp, Kernel, kernel.Shell):
        made.clear_instance()


def _app(request: Request, listener: socket.socket) -> KernelApp:
    if request.arguments:
        forget()
        make(request.arguments)
    app: KernelApp = KernelApp.instance()
    app.move_in(listener)
    return app


class WireSession(Session):  # type: ignore[misc]  # not typed there
    """Sends what it is given down the wire, whatever channel it is for.

    A cell's messages go together where they can: to wake the other side takes longer.
    """

    wire = AnyTrait()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._sending = threading.RLock()
        self._held: list[bytes] = []
        self._size, self._last = 0, 0.0

    def send(
        self,
        stream: Any,
        msg_or_type: Any,
        content: Any = None,
        parent: Any = None,
        ident: Any = None,
        buffers: Any = None,
        track: bool = False,
        header: Any = None,
        metadata: Any = None,
    ) -> dict[str, Any]:
        """Send a message, or make one and send it."""
        msg: dict[str, Any] = msg_or_type
        if isinstance(msg_or_type, str):
            msg = self.msg(msg_or_type, content, parent, header, metadata)
        said = {
            "header": msg["header"],
            "msg_type": msg["header"]["msg_type"],
            "parent_header": {"msg_id": msg["parent_header"].get("msg_id")},
            "metadata": msg["metadata"],
            "content": msg["content"],
        }
        line = json.dumps(said, default=json_default).encode() + b"\n"
        with self._sending:
            self._held.append(line)
            self._size += len(line)
            late = monotonic() - self._last > HOLD_FOR
            if late or self._size > HOLD_AT or said["msg_type"] == "status":
                self._send_held()
        return msg

    def _send_held(self) -> None:
        lines, self._held, self._size = b"".join(self._held), [], 0
        self._last = monotonic()
        # The wire is None before anybody listens, and a forked child has no right to it.
        if self.wire is not None and os.getpid() == self.pid:
            self.wire.sendall(lines)


class _Here(IOPubThread):
    """What ipykernel's streams hand their messages to: a thread that never runs."""

    io_loop = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.socket = None
        self.thread = threading.Thread()

    def schedule(self, f: Any) -> None:
        f()


class Stream(kernel.Stream):
    """ipykernel's, sent when a cell ends, when there is much of it, and now and then."""

    _held = 0
    _last = 0.0

    def write(self, string: str) -> int:
        if not self._is_master_process():  # type: ignore[no-untyped-call]
            # The wire is the parent's. What is written here, it reads and sends.
            os.write(self._original_stdstream_fd, string.encode(errors="replace"))
            return len(string)
        for start in range(0, len(string), HOLD_AT):
            piece = string[start : start + HOLD_AT]
            super().write(piece)
            self._held += len(piece)
            if self._held >= HOLD_AT or monotonic() - self._last > HOLD_FOR:
                self.flush()
        return len(string)

    def flush(self) -> None:
        super().flush()
        self._held, self._last = 0, monotonic()

    def _schedule_flush(self) -> None:
        self._flush_pending = True


class Kernel(kernel.Kernel):
    """Takes its messages from the app, one at a time."""

    # Where the kernel looks which thread runs cells.
    shell_channel_thread = SimpleNamespace(parent_thread=threading.main_thread())

    def start(self) -> None:
        self.io_loop = IOLoop.current()
        self.shell.exit_now = False

    async def handle(self, msg: dict[str, Any]) -> None:
        """Do what a message asks; what it prints has been sent when this returns."""
        self.set_parent([], msg, channel="shell")  # type: ignore[no-untyped-call]
        handler = self.shell_handlers[msg["header"]["msg_type"]]
        self.pre_handler_hook()  # type: ignore[no-untyped-call]
        try:
            result = handler(None, [], msg)
            if asyncio.iscoroutine(result):
                await result
        except KeyboardInterrupt:
            self.log.error("interrupted between two cells")
        finally:
            self.post_handler_hook()  # type: ignore[no-untyped-call]
        if os.getpid() != self.session.pid:
            os._exit(0)  # a cell has forked, and the next cells are the parent's
        self._publish_status("idle", "shell")  # type: ignore[no-untyped-call]

    def _publish_execute_input(self, *arguments: Any) -> None:
        pass


class KernelApp(kernel.KernelApp):
    """IPython's kernel, without ZeroMQ."""

    listener: socket.socket
    kernel_class = Type(Kernel, klass=IPythonKernel)
    outstream_class = DottedObjectName(f"{__name__}.Stream")
    kernel: Kernel

    def init_connection_file(self) -> None:
        pass

    def init_heartbeat(self) -> None:
        pass

    def write_connection_file(self, **kwargs: Any) -> None:
        pass

    def init_sockets(self) -> None:
        self.session = WireSession(parent=self)
        self.iopub_thread = _Here()

    def init_io(self) -> None:
        """Not yet: streams have threads, and take the process's own files."""

    def init_path(self) -> None:
        """Not yet: the working directory is not that of the notebook."""

    def init_kernel(self) -> None:
        self.kernel = Kernel.instance(
            parent=self,
            session=self.session,
            iopub_thread=self.iopub_thread,
            profile_dir=self.profile_dir,
            user_ns=self.user_ns,
            log=self.log,
        )

    def move_in(self, listener: socket.socket) -> None:
        """Take what is this room's, and this process's, own."""
        self.listener = listener
        self.session.session, self.session.pid = new_id(), os.getpid()
        super().init_io()  # type: ignore[no-untyped-call]
        self.displayhook.get_execution_count = lambda: self.kernel.execution_count
        super().init_path()
        shell = self.kernel.shell
        shell.ipython_dir = self.ipython_dir = get_ipython_dir()
        profile = ProfileDir.create_profile_dir_by_name(self.ipython_dir)
        shell.profile_dir = self.kernel.profile_dir = self.profile_dir = profile
        shell.history_manager.init_db()
        shell.history_manager.reset()

    def start(self) -> None:
        """Serve the one client until it is gone, or a cell ends the kernel."""
        self.kernel.start()
        with self.listener:
            wire, _ = self.listener.accept()
        self.session.wire = wire
        self._lines, self._waiting = Lines(wire), deque[bytes]()
        self._working = False
        loop = IOLoop.current()
        loop.add_handler(wire, self._receive, IOLoop.READ)
        loop.start()

    def _receive(self, wire: socket.socket, events: int) -> None:
        self._waiting.extend(self._lines.read())
        if self._lines.closed:
            IOLoop.current().stop()
        elif not self._working:
            self._working = True
            self._work_done = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        while self._waiting:
            await self.kernel.handle(json.loads(self._waiting.popleft()))
        self._working = False

    def close(self) -> None:
        """There is no ZeroMQ to be closed."""
