"""Can this host isolate a kernel?"""

from __future__ import annotations

import functools
import json
import subprocess
import sys

from roadmap.grading.sandbox.request import SandboxError

_TIMEOUT = 30.0
_COMMAND = [sys.executable, "-P", "-m", "roadmap.grading.sandbox"]


_begun: list[subprocess.Popen[str]] = []


def begin() -> None:
    """Start finding out what :func:`available` says; it takes a third of a second."""
    if sys.platform == "linux" and not _begun:
        _begun.append(
            subprocess.Popen(
                _COMMAND,
                cwd="/",
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )


@functools.cache
def available() -> list[str]:
    """What this host lacks for the sandbox, each in plain words; nothing: it works.

    The answer is found once for each process.

    Raises:
        SandboxError: it cannot be found out: the program that tries it is broken.
    """
    if sys.platform != "linux":
        return [f"Linux: the sandbox is made of its namespaces; this is {sys.platform}"]
    begin()
    process = _begun[0]
    try:
        out, errors = process.communicate(timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        return [f"an answer: trying the sandbox took over {_TIMEOUT:g} s"]
    if process.returncode != 0:
        said = errors.strip().splitlines() or [f"status {process.returncode}"]
        raise SandboxError(f"`{' '.join(_COMMAND)}` failed: {said[-1]}")
    missing: list[str] = json.loads(out)
    return missing
