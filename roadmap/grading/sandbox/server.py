"""The fork server: imports what notebooks import, makes a kernel, then forks for each.

``python -m roadmap.grading.sandbox.server LISTENER OWNER [MODULE…]`` where LISTENER is the
number of an inherited listening Unix socket, and OWNER the parent's process id. One
connection is one kernel; the forked child, its supervisor, serves it. The server itself
reads nothing and knows nothing: no request, no path of the course, an environment made by
its owner from a list of names. It ends when its owner does, and all kernels with it.
"""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from roadmap.grading.sandbox import cgroup, isolate, launch, supervisor, wired

# What a kernel would import when it starts, with its first cell, error or shell command,
# and what notebooks of any course, or of this one, import.
PRELOAD = (
    "asyncio",
    "dataclasses",
    "debugpy",
    "decimal",
    "faulthandler",
    "http.server",
    "ipykernel.debugger",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.magics",
    "IPython.core.magics.osm",
    "IPython.core.magics.script",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "pexpect",
    "psutil",
    "pydoc",
    "pygments.formatters.terminal256",
    "pygments.lexers.python",
    "pygments.styles.default",
    "roadmap.practice.quiz",
    "roadmap.progress.extension",
    "roadmap.progress.widget",
    "sqlite3",
    "stack_data.core",
    "tornado.platform.asyncio",
    "unittest.mock",
    "urllib.request",
)


def main(arguments: Sequence[str]) -> None:
    """Serve until the owner is gone."""
    fd, pid, *modules = arguments
    try:
        owner = os.pidfd_open(int(pid))
    except ProcessLookupError:
        return
    if os.getppid() != int(pid):
        return  # it is gone already, and its number another's
    rooms = cgroup.take()
    sys.path.remove(str(Path.cwd()))  # there because of -m; a kernel adds its own
    os.chdir("/")
    listener = socket.socket(fileno=int(fd))
    for name in (*PRELOAD, *modules):
        importlib.import_module(name)
    wired.make()  # in HOME, which is the folder of the socket
    isolate.landlock_missing()  # if it is, each kernel's start will say so
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the supervisors
    os.umask(0o022)
    gc.freeze()
    folder = Path(listener.getsockname()).parent
    connection = _serve(listener, owner)
    if connection is not None:
        listener.close()
        os.close(owner)
        supervisor.supervise(connection, os.getppid(), rooms)
    shutil.rmtree(folder, ignore_errors=True)
    if rooms is not None:
        launch.end_children()  # or their cgroups would outlive the server
        rooms.sweep(cgroup.PATIENCE)


def _serve(listener: socket.socket, owner: int) -> socket.socket | None:
    """Fork for each connection. Returns it in the child, and None when the owner is gone."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(owner, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if owner in ready:
                return None
            connection, _ = listener.accept()
            if os.fork() == 0:
                return connection
            connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
