"""Can this host isolate a kernel?"""

from __future__ import annotations

import functools
import json
import subprocess
import sys

from roadmap.grading.sandbox.request import SandboxError

_TIMEOUT = 30.0


@functools.cache
def available() -> list[str]:
    """What this host lacks for the sandbox, each in plain words; nothing: it works.

    The answer is found once for each process.

    Raises:
        SandboxError: it cannot be found out: the program that tries it is broken.
    """
    if sys.platform != "linux":
        return [f"Linux: the sandbox is made of its namespaces; this is {sys.platform}"]
    command = [sys.executable, "-P", "-m", "roadmap.grading.sandbox"]
    try:
        done = subprocess.run(
            command, cwd="/", capture_output=True, text=True, timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return [f"an answer: trying the sandbox took over {_TIMEOUT:g} s"]
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise SandboxError(f"`{' '.join(command)}` failed: {said[-1]}")
    missing: list[str] = json.loads(done.stdout)
    return missing
