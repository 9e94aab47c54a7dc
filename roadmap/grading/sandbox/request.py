"""What is asked of the fork server and what it answers: JSON, one object a line.

Never pickles: whoever can write to the socket must not be able to run code with it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from roadmap.errors import RoadmapError

Reason = Literal[
    "exit",
    "signal",
    "killed",
    "out_of_memory",
    "too_many_processes",
    "disk_full",
    "timeout",
]


class SandboxError(RoadmapError):
    """The sandbox, or a kernel in it, could not be started; the message says which step."""


@dataclass(frozen=True)
class Limits:
    """What a kernel and all that it starts may use together.

    ``memory`` and ``disk`` in bytes; ``processes`` counts threads too; ``files`` is
    open files of a process; ``cpu_seconds`` is processor time of a process,
    ``seconds`` the time by the clock until the kernel is ended.
    """

    memory: int = 2 * 1024**3
    processes: int = 256
    disk: int = 256 * 1024**2
    files: int = 1024
    cpu_seconds: int = 3600
    seconds: float = 7200.0


@dataclass(frozen=True)
class Request:
    """One kernel.

    ``runtime`` is an empty folder for the kernel's sockets, ``<runtime>/k-<port>``;
    ``connection`` is what Jupyter keeps in a connection file, or None for a kernel that
    has only the socket :attr:`wire`; ``cwd`` is copied into the sandbox, None means an
    empty folder; ``arguments`` are those of the kernel's command line after the
    connection file, ``env`` is added to its environment.
    """

    runtime: str
    connection: Mapping[str, Any] | None
    cwd: str | None
    arguments: tuple[str, ...]
    env: Mapping[str, str]
    limits: Limits

    @property
    def wire(self) -> str:
        """Path of the one socket of a kernel without a connection file."""
        return f"{self.runtime}/wire"

    def to_line(self) -> bytes:
        """The request as it is sent."""
        return to_line(asdict(self))

    @classmethod
    def from_line(cls, line: bytes) -> Request:
        """The inverse of :meth:`to_line`."""
        data = json.loads(line)
        data["arguments"] = tuple(data["arguments"])
        return cls(**{**data, "limits": Limits(**data["limits"])})


@dataclass(frozen=True)
class Ending:
    """How a kernel ended: ``status`` as in subprocess.Popen.returncode, and in words."""

    reason: Reason
    status: int
    message: str


def to_line(data: Mapping[str, Any]) -> bytes:
    """One message, as it is sent."""
    return json.dumps(data).encode() + b"\n"


class LineTooLongError(ValueError):
    """Whoever sends it cannot mean well."""


class Lines:
    """The lines that come in on a stream socket, none longer than ``longest`` bytes."""

    def __init__(self, connection: socket.socket, longest: int = 1 << 28) -> None:
        self._connection = connection
        self._longest = longest
        self._begun: list[bytes] = []
        self._length = 0
        self.closed = False

    def read(self) -> list[bytes]:
        """Whole lines that one ``recv`` brought; ``closed`` is set at the stream's end.

        Raises:
            BlockingIOError: there is nothing yet, and the socket does not block.
            LineTooLongError: a line is too long; nothing more can be read.
        """
        try:
            data = self._connection.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        self.closed = not data
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._begun, lines[0]])
            self._begun, self._length = [], 0
        self._begun.append(rest)
        self._length += len(rest)
        if self._length > self._longest:
            raise LineTooLongError(f"a line of more than {self._longest} bytes")
        return lines
