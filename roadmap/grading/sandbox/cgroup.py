"""A cgroup for each room: Linux holds the room to its limits at once, not when somebody looks.

cgroups(7), version 2. A cgroup has one writer: who made it, or whom it was delegated to. So
rooms get theirs only below one that was delegated to the grader: systemd marks those
(``Delegate=yes``) with an extended attribute, and a container has one as the root of its
namespace. That one may be written to is not enough: it can be what counts, limits and ends
the grader itself. Where none was delegated the supervisor's polling is all there is.

    the delegated one          memory and pids are handed on to those below
    ├─ roadmap-grader          whatever was in it: a cgroup that hands on has no processes
    └─ roadmap-SERVER-PID      a room's; named after its fork server and its supervisor
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from roadmap.grading.sandbox.request import Limits

GRADER = "roadmap-grader"
PATIENCE = 5.0  # seconds until the last process of what was killed is gone
_ROOMS = "roadmap-[0-9]*-[0-9]*"
_MARKS = ("user.delegate", "trusted.delegate")
_CONTROLLERS = "+memory +pids"
_ROUNDS = 10  # of moving what was forked meanwhile
_SELF = Path("/proc/self")


@dataclass(frozen=True)
class Cgroup:
    """The cgroup of one room, at ``folder``."""

    folder: Path

    def limit(self, limits: Limits) -> None:
        """Set what all processes in it may hold together.

        The disk is memory too, and has its own limit: both together are the bound. The
        supervisor, which can tell them apart, ends a room that has more memory alone.
        """
        self._write("memory.max", limits.memory + limits.disk)
        if (self.folder / "memory.swap.max").exists():
            self._write("memory.swap.max", 0)
        self._write(
            "memory.oom.group", 1
        )  # at the limit all of it ends, as when polled
        self._write("pids.max", limits.processes)

    def enter(self) -> None:
        """Put the calling process, and what it will start, into it."""
        self._write("cgroup.procs", 0)

    def ran_out_of_memory(self) -> bool:
        """Tell whether Linux ended its processes because of its own limit, not the host's."""
        lines = (self.folder / "memory.events").read_text().splitlines()
        events = dict(line.split() for line in lines)
        return events["oom"] != "0" and events["oom_kill"] != "0"

    def _write(self, name: str, value: int) -> None:
        (self.folder / name).write_text(str(value))


@dataclass(frozen=True)
class Subtree:
    """The delegated cgroup, at ``folder``, and those of the rooms below it."""

    folder: Path

    @contextmanager
    def room(self, limits: Limits) -> Iterator[Cgroup]:
        """A cgroup for the room of the calling supervisor, while the block runs.

        Raises:
            OSError: it cannot be made.
        """
        self.sweep()
        folder = self.folder / f"roadmap-{os.getppid()}-{os.getpid()}"
        _remove(folder, PATIENCE)  # of processes that had the same numbers
        folder.mkdir()
        try:
            cgroup = Cgroup(folder)
            cgroup.limit(limits)
            yield cgroup
        finally:
            _remove(folder, PATIENCE)

    def sweep(self, patience: float = 0.0) -> None:
        """Remove what killed supervisors left, once it is empty, in ``patience`` seconds."""
        for folder in self.folder.glob(_ROOMS):
            _, server, supervisor = folder.name.split("-")
            if not (_is_alive(server) and _is_alive(supervisor)):
                _remove(folder, patience)


def take() -> Subtree | None:
    """Get the delegated cgroup ready for rooms; None: there is none that would do."""
    folder = delegated()
    if folder is None:
        return None
    try:
        _hand_on(folder)
    except OSError:  # a controller is missing, or others' processes are in it
        return None
    subtree = Subtree(folder)
    subtree.sweep()
    return subtree


def sweep(patience: float = PATIENCE) -> None:
    """Remove what a killed fork server left, once it is empty, in ``patience`` seconds."""
    folder = delegated()
    if folder is not None:
        Subtree(folder).sweep(patience)


def delegated(proc: Path = _SELF) -> Path | None:
    """The cgroup that was delegated to the process with the folder ``proc``, or None."""
    try:
        root = _mounted((proc / "mountinfo").read_text())
        own = _own((proc / "cgroup").read_text())
    except FileNotFoundError:  # no Linux, or one without cgroups
        return None
    if root is None or own is None:
        return None
    here = root / own.lstrip("/")
    folder = here.parent if here.name == GRADER else here
    return folder if _is_delegated(folder, root) else None


def _mounted(mountinfo: str) -> Path | None:
    """Where the root of this process's cgroup namespace is mounted; proc(5)."""
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        _, _, _, root, place, *_ = mount.split()
        if source.startswith("cgroup2 ") and root == "/":
            return Path(place)
    return None


def _own(cgroup: str) -> str | None:
    """The path of version 2 in /proc/<pid>/cgroup, if it lies below the namespace's root."""
    for line in cgroup.splitlines():
        number, _, path = line.split(":", 2)
        if number == "0" and ".." not in Path(path).parts:
            return path
    return None


def _is_delegated(folder: Path, root: Path) -> bool:
    if folder == root:  # a container's: the host's own root has no such file
        return (folder / "cgroup.type").exists()
    for mark in _MARKS:
        with suppress(OSError):
            if os.getxattr(folder, mark) == b"1":
                return True
    return False


def _hand_on(folder: Path) -> None:
    """Have the controllers in the cgroups below, for which its own processes must move."""
    leaf = folder / GRADER
    for _ in range(_ROUNDS):
        try:
            (folder / "cgroup.subtree_control").write_text(_CONTROLLERS)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        else:
            return
        leaf.mkdir(exist_ok=True)
        for pid in (folder / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):  # it has ended
                (leaf / "cgroup.procs").write_text(pid)
    raise OSError(errno.EBUSY, "its processes cannot be moved", str(folder))


def _is_alive(pid: str) -> bool:
    try:
        stat = Path("/proc", pid, "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(") ")[2][0] not in "XZ"


def _remove(folder: Path, patience: float) -> None:
    """Remove a cgroup when its last process is gone; if it stays, a later sweep does it."""
    end = monotonic() + patience
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            if monotonic() > end:
                return
            sleep(0.002)
        else:
            return
