"""Between the supervisor and the processes it starts, until student code runs.

Messages are JSON, one a packet. Each comes with its sender's process id, which Linux
translates between namespaces (SCM_CREDENTIALS of unix(7)), and may bring open files.
"""

from __future__ import annotations

import array
import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_CREDENTIALS = struct.Struct("3i")
_FILES_AT_MOST = 4


@dataclass(frozen=True)
class Message:
    """What was said, by which process (as numbered here), with which open files."""

    data: dict[str, Any]
    pid: int
    files: tuple[int, ...]


class Channel:
    """One end of it."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        end.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Both ends, not inheritable by programs."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    def fileno(self) -> int:
        """The file descriptor, to wait for."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def send(self, data: dict[str, Any], files: Sequence[int] = ()) -> None:
        """Send a message.

        Raises:
            BrokenPipeError: the other end is gone.
        """
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))
        self._socket.sendmsg([json.dumps(data).encode()], [rights] if files else [])

    def receive(self, timeout: float | None = None) -> Message | None:
        """Wait for a message; None when the other end is closed.

        Raises:
            TimeoutError: nothing came in ``timeout`` seconds.
        """
        self._socket.settimeout(timeout)
        room = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(
            4 * _FILES_AT_MOST
        )
        data, ancillary, _, _ = self._socket.recvmsg(
            65536, room, socket.MSG_CMSG_CLOEXEC
        )
        if not data:
            return None
        pid, files = 0, array.array("i")
        for _, kind, content in ancillary:
            if kind == socket.SCM_RIGHTS:
                files.frombytes(content[: len(content) - len(content) % 4])
            elif kind == socket.SCM_CREDENTIALS:
                pid = _CREDENTIALS.unpack(content)[0]
        return Message(json.loads(data), pid, tuple(files))
