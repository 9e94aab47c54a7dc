"""What a sandbox is made of: its folders, its user, what is seen of the host."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from roadmap.errors import RoadmapError
from roadmap.grading.sandbox.cgroup import Cgroup
from roadmap.grading.sandbox.request import Limits, SandboxError

USER, INSIDE_ID, NOBODY = "learner", 1000, 65534
HOME = f"/home/{USER}"
WORK = f"{HOME}/work"
RUN = f"/run/user/{INSIDE_ID}"
# Folders of the system, read-only. What else is seen of the host: READABLE.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# What may be written: where it is, and with which rights.
SCRATCH = {
    HOME: 0o755,
    RUN: 0o700,
    "/tmp": 0o1777,  # noqa: S108  # the room's own
    "/dev/shm": 0o1777,  # noqa: S108
}


@dataclass(frozen=True)
class Room:
    """What a sandbox is made of.

    ``base`` is an empty folder that the new root is mounted on, where nobody else sees
    it; ``cwd`` the folder that is copied into it, or None; ``limits`` in force;
    ``cgroup`` one of its own, or None where there is none to be had.
    """

    base: Path
    cwd: Path | None
    limits: Limits
    cgroup: Cgroup | None = None

    @property
    def work(self) -> str:
        """The working folder, as it is called inside."""
        return f"{WORK}/{self.cwd.name}" if self.cwd else WORK


def is_root() -> bool:
    """Tell whether the room can be set up as root."""
    return os.geteuid() == 0


@contextmanager
def step(name: str) -> Iterator[None]:
    """Have an error name the step of the isolation that failed."""
    try:
        yield
    except SandboxError:
        raise
    except (OSError, RoadmapError) as error:
        reason = str(error)
        if isinstance(error, OSError) and error.strerror:
            place = f": {error.filename}" if error.filename else ""
            reason = f"{error.strerror}{place}"
        raise SandboxError(f"{name}: {reason}") from error


def _readable_folders() -> list[str]:
    """Folders of the interpreter, its packages and this one, without those inside others.

    They are named both as the interpreter names them and without symlinks.
    """
    package = Path(__file__).resolve().parents[2]
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, str(package)}
    every = prefixes | {os.path.realpath(prefix) for prefix in prefixes}
    system = [path for path in SYSTEM if Path(path).is_dir()]
    return _without_nested([*system, *sorted(every)])[len(system) :]


def _without_nested(paths: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for path in paths:
        if not any(Path(path).is_relative_to(other) for other in kept):
            kept.append(path)
    return kept


# Looked for once, by the fork server, and not for each room.
READABLE = _readable_folders()
