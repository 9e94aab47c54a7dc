"""Start processes in a room: from the supervisor's fork to the first line of a kernel.

supervisor ── fork ─▶ first process (pid 1 inside): builds the room, gives up privileges
                        └─ fork ─▶ inhabitant (pid 2): the kernel
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psutil

from roadmap.grading.sandbox import filesystem, isolate, linux
from roadmap.grading.sandbox.channel import Channel, Message
from roadmap.grading.sandbox.request import Limits, SandboxError
from roadmap.grading.sandbox.room import HOME, Room, step

START_TIMEOUT = 60.0

# Run as the room's second process, with a channel to say when it is ready.
Inhabitant = Callable[[Channel], NoReturn]


@dataclass
class Launched:
    """A room with processes in it, as seen from outside.

    ``first`` is the process id (here) of its first process, a child of this one; ``proc``
    and ``scratch`` are its /proc and its disk, open.
    """

    channel: Channel
    first: int
    proc: int
    scratch: int

    def expect(self, word: str) -> Message:
        """The next message, which has to be ``word``.

        Raises:
            SandboxError: it is another, or none comes.
        """
        return _expect(self.channel, word)

    def go(self) -> None:
        """Let whoever waits go on.

        Raises:
            SandboxError: nobody is there any more.
        """
        try:
            self.channel.send({"go": True})
        except OSError:
            raise SandboxError("the first process of the sandbox died") from None

    def kill(self) -> None:
        """End every process of the room, and wait until they are gone."""
        if self.first:
            os.kill(self.first, signal.SIGKILL)
            os.waitpid(self.first, 0)
            self.first = 0


def die_with(parent: int) -> None:
    """End when ``parent``, the process that forked this one, ends."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def launch(room: Room, prepare: Callable[[], Inhabitant]) -> Launched:
    """Make the room and let what ``prepare`` returns live in it.

    ``prepare`` runs in the new namespaces, but with the host's files in sight. The
    calling process has to be single-threaded and without children; all that it starts
    from now on is in the room.

    Raises:
        SandboxError: the isolation is not whole; nothing of it is left.
    """
    isolate.number_anew()
    ours, theirs = Channel.pair()
    first = os.fork()
    if first == 0:
        ours.close()
        _be_first_process(theirs, _build(room, prepare, theirs))
    theirs.close()
    try:
        return Launched(ours, first, *_expect(ours, "isolated").files)
    except SandboxError:
        ours.close()
        end_children()
        raise


def end_children() -> None:
    """End what this process started."""
    while children := psutil.Process().children():
        for child in children:
            child.kill()
        psutil.wait_procs(children)


def _expect(channel: Channel, word: str) -> Message:
    try:
        message = channel.receive(START_TIMEOUT)
    except TimeoutError:
        problem = f"the sandbox was not {word} in {START_TIMEOUT:g} s"
        raise SandboxError(problem) from None
    except ConnectionResetError:
        message = None
    if message is None:
        raise SandboxError(f"the sandbox died before it was {word}")
    if word not in message.data:
        raise SandboxError(str(message.data.get("failed", message.data)))
    return message


def _build(
    room: Room, prepare: Callable[[], Inhabitant], channel: Channel
) -> Inhabitant:
    """Set up the room around this process, and be shut in."""
    die_with_parent = linux.PR_SET_PDEATHSIG, signal.SIGKILL
    try:
        linux.prctl(*die_with_parent)
        if room.cgroup is not None:  # before its path becomes the root of a namespace
            with step("a cgroup of its own"):
                room.cgroup.enter()
        isolate.leave_host()
        with step("what the kernel needs of the host"):
            inhabitant = prepare()
        filesystem.build_root(room)
        filesystem.enter_root(room)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        inside = [os.open(path, flags) for path in ("/proc", HOME)]
        isolate.restrict(room.limits)
        linux.prctl(*die_with_parent)  # again: to be another user has undone it
        channel.send({"isolated": True}, inside)  # fails if the parent is gone already
    except BaseException as error:
        # Whatever it is, the supervisor is told, and nothing runs with less isolation.
        line = " ".join(f"{error or type(error).__name__}".split())
        with contextlib.suppress(OSError):
            channel.send({"failed": line})
        os._exit(1)
    return inhabitant


def _be_first_process(channel: Channel, inhabitant: Inhabitant) -> NoReturn:
    """Start the inhabitant, bury the dead, and end when the inhabitant does.

    That end takes every process of the room along. What is left open here is only the
    channel, to say how the inhabitant ended.
    """
    for number in (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # which the first process is immune to
    pid = os.fork()
    if pid == 0:
        inhabitant(channel)
    keep_open({channel.fileno()})
    while True:
        ended, status = os.wait()
        if ended == pid:
            channel.send({"status": os.waitstatus_to_exitcode(status)})
            os._exit(0)


def keep_open(files: set[int]) -> None:
    """Close every other file; standard input and output are /dev/null then."""
    for path in list(Path("/proc/self/fd").iterdir()):
        if int(path.name) not in files:
            with contextlib.suppress(OSError):  # the listing's own
                os.close(int(path.name))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in {0, 1, 2} - files:
        os.dup2(null, standard)
    if null > 2:
        os.close(null)


def try_isolation(base: Path) -> None:
    """Isolate a process that does nothing, in a room at ``base``.

    Raises:
        SandboxError: a step of the isolation failed.
    """
    room = Room(base, None, Limits(disk=1024**2))
    launched = launch(room, lambda: lambda channel: os._exit(0))
    try:
        launched.expect("status")
    finally:
        launched.kill()
