"""One process for each kernel, outside of its room: start it, watch it, end it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import NoReturn

from roadmap.grading.sandbox import kernel, wired
from roadmap.grading.sandbox.cgroup import Cgroup, Subtree
from roadmap.grading.sandbox.launch import Inhabitant, Launched, die_with, launch
from roadmap.grading.sandbox.request import (
    Ending,
    Limits,
    Lines,
    Reason,
    Request,
    SandboxError,
    to_line,
)
from roadmap.grading.sandbox.room import Room, step

POLL = 0.1  # seconds between two looks at what the kernel uses
_MIB = 1024**2
_NUMBER = re.compile(r"^(\w+):\s+(\d+)", re.MULTILINE)


def supervise(
    connection: socket.socket, server: int, rooms: Subtree | None
) -> NoReturn:
    """Serve one client until its kernel has ended, or the client or ``server`` is gone.

    ``rooms`` is where its room gets a cgroup, or None.
    """
    die_with(server)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    lines = Lines(connection)
    while not (received := lines.read()) and not lines.closed:
        pass
    try:
        if received:
            _serve(Request.from_line(received[0]), connection, lines, rooms)
    except (BrokenPipeError, ConnectionResetError):
        pass  # a client that is gone needs no answer
    except SandboxError as error:
        connection.sendall(to_line({"event": "failed", "message": str(error)}))
    except Exception as error:  # a fault of ours, which must not look like the kernel's
        line = f"the supervisor failed: {type(error).__name__}: {error}"
        connection.sendall(to_line({"event": "failed", "message": line}))
    os._exit(0)


def _serve(
    request: Request, connection: socket.socket, lines: Lines, rooms: Subtree | None
) -> None:
    with _cgroup(rooms, request.limits) as cgroup:
        launched, pid = _start(request, cgroup)
        watch = _Watch(request.limits, launched, pid, cgroup)
        try:
            connection.sendall(to_line({"event": "started"}))
            ending = watch.until_the_end(connection, lines)
        finally:
            launched.kill()
    connection.sendall(to_line({"event": "ended", **ending.__dict__}))


@contextlib.contextmanager
def _cgroup(rooms: Subtree | None, limits: Limits) -> Iterator[Cgroup | None]:
    """A cgroup for the room, where one can be had, while the block runs."""
    with contextlib.ExitStack() as stack:
        cgroup = None
        if rooms is not None:
            with step("a cgroup of its own"):
                cgroup = stack.enter_context(rooms.room(limits))
        yield cgroup


def _start(request: Request, cgroup: Cgroup | None) -> tuple[Launched, int]:
    """The room, and the process id (here) of the kernel that is ready in it.

    Raises:
        SandboxError: the isolation is not whole, or the kernel does not start.
    """
    cwd = Path(request.cwd) if request.cwd else None
    room = Room(Path(request.runtime), cwd, request.limits, cgroup)

    def prepare() -> Inhabitant:
        if request.connection is None:
            listener = wired.listen(request)
            return lambda channel: wired.run(request, channel, listener, room.work)
        wired.forget()
        sockets = kernel.listen(request)
        return lambda channel: kernel.run(request, channel, sockets, room.work)

    launched = launch(room, prepare)
    try:
        return launched, launched.expect("ready").pid
    except SandboxError:
        launched.kill()
        raise


class _Watch:
    """A kernel's limits, and how it keeps to them."""

    def __init__(
        self, limits: Limits, launched: Launched, pid: int, cgroup: Cgroup | None
    ) -> None:
        self._limits = limits
        self._launched = launched
        self._cgroup = cgroup
        self._pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._deadline = monotonic() + limits.seconds
        launched.go()  # the kernel waited: now it cannot end unseen

    def until_the_end(self, client: socket.socket, lines: Lines) -> Ending:
        """Do what the client asks, see to the limits; tell how it ended."""
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ)
            selector.register(self._launched.channel, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select(POLL)}
                if self._launched.channel in ready:
                    return self._ended()
                if client in ready and self._obey(lines):
                    return Ending("killed", -signal.SIGKILL, "ended when asked to")
                if over := self._over_a_limit():
                    return over

    def _obey(self, lines: Lines) -> bool:
        """Do what the client says; True when that is to kill, or to be gone."""
        for line in lines.read():
            command = json.loads(line)
            if command["op"] == "kill":
                return True
            self._signal(int(command["signum"]))
        return lines.closed

    def _signal(self, number: int) -> None:
        """Signal the kernel and what it runs in its process group."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, 0)  # the number is still the kernel's
            os.killpg(self._pid, number)

    def _ended(self) -> Ending:
        try:
            message = self._launched.channel.receive()
        except ConnectionResetError:
            message = None
        if self._cgroup is not None and self._cgroup.ran_out_of_memory():
            return self._out_of_memory()
        # Without a last word the first process was killed; only the host could do that.
        status = int(message.data["status"]) if message else -signal.SIGKILL
        if self._disk_is_full():
            disk = f"{self._limits.disk / _MIB:.0f} MiB"
            return Ending(
                "disk_full", status, f"died when its {disk} of disk were full"
            )
        if status < 0:
            name = signal.strsignal(-status) or "unknown"
            return Ending("signal", status, f"died of signal {-status} ({name})")
        return Ending("exit", status, f"ended itself with status {status}")

    def _disk_is_full(self) -> bool:
        disk = os.fstatvfs(self._launched.scratch)
        return disk.f_bfree == 0 or disk.f_ffree == 0

    def _over_a_limit(self) -> Ending | None:
        if monotonic() > self._deadline:
            return self._stopped("timeout", f"{self._limits.seconds:g} s")
        tasks = memory = 0
        for _, status in self._processes():
            tasks += status["Threads"]
            memory += _held(status)
        if tasks >= self._limits.processes:
            what = f"{self._limits.processes} processes and threads"
            return self._stopped("too_many_processes", what)
        # Pages that processes share count once for each in that sum: believed if small.
        if memory > self._limits.memory and self._exact_memory() > self._limits.memory:
            return self._out_of_memory()
        return None

    def _out_of_memory(self) -> Ending:
        what = f"{self._limits.memory / _MIB:.0f} MiB of memory"
        return self._stopped("out_of_memory", what)

    def _stopped(self, reason: Reason, limit: str) -> Ending:
        return Ending(reason, -signal.SIGKILL, f"stopped at the limit of {limit}")

    def _processes(self) -> Iterator[tuple[str, dict[str, int]]]:
        """The room's processes and numbers of /proc/<pid>/status, from its own /proc."""
        for name in os.listdir(self._launched.proc):  # noqa: PTH208  # no path
            if name.isdigit() and (text := self._read(f"{name}/status")):
                yield name, _numbers(text)

    def _exact_memory(self) -> int:
        """Bytes that the room's processes hold, each its share of what is shared."""
        total = 0
        for name, status in self._processes():
            share = _numbers(self._read(f"{name}/smaps_rollup"))
            resident = share.get("Pss", status.get("VmRSS", 0))
            total += _held({**status, "VmRSS": resident})
        return total

    def _read(self, path: str) -> str:
        """A file of the room's /proc; empty when its process is gone or not to be read."""
        with contextlib.suppress(OSError):
            flags = os.O_RDONLY | os.O_CLOEXEC
            file = os.open(path, flags, dir_fd=self._launched.proc)
            with os.fdopen(file, errors="replace") as stream:
                return stream.read()
        return ""


def _numbers(text: str) -> dict[str, int]:
    """The lines ``Name: number`` of a file of /proc; sizes are in KiB."""
    return {name: int(number) for name, number in _NUMBER.findall(text)}


def _held(status: Mapping[str, int]) -> int:
    """Bytes of a process's memory and page tables, which can be as large as any."""
    return 1024 * (status.get("VmRSS", 0) + status.get("VmPTE", 0))
