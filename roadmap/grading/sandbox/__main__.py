"""Print what this host lacks for the sandbox, as JSON; found out by trying it.

In a process of its own: what is tried cannot be undone, and threads would be in the way.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

_ADVICE = {
    "namespaces": "root in a container needs the capability SYS_ADMIN",
    "user and other namespaces": "the host or the container forbids them; see the sysctls "
    "user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns",
    "/proc": "the container hides parts of /proc, so that no new one may be mounted",
    "a new root": "the host's own root is a ramfs, which cannot be exchanged",
    "Landlock": "needs Linux 5.13 or later with lsm=landlock",
}


def _main() -> None:
    missing = [*_landlock(), *_filter()]
    if (failed := _room()) and not any(failed.startswith(line) for line in missing):
        advice = [text for name, text in _ADVICE.items() if failed.startswith(name)]
        missing.insert(0, "; ".join([failed, *advice]))
    print(json.dumps(missing))  # noqa: T201  # read by available()


def _landlock() -> list[str]:
    from roadmap.grading.sandbox import isolate

    missing = isolate.landlock_missing()
    return [f"Landlock: {missing}; {_ADVICE['Landlock']}"] if missing else []


def _filter() -> list[str]:
    from roadmap.grading.sandbox import filter as call_filter

    if call_filter.supported():
        return []
    return [f"a filter of system calls for the processor {os.uname().machine}"]


def _room() -> str | None:
    """Isolate a process as a kernel would be; what failed, or None."""
    from roadmap.grading.sandbox import launch
    from roadmap.grading.sandbox.request import SandboxError

    with tempfile.TemporaryDirectory(prefix="roadmap-") as base:
        try:
            launch.try_isolation(Path(base))
        except SandboxError as error:
            return str(error)
    return None


_main()
