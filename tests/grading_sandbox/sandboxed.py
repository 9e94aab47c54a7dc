"""A sandboxed kernel, and what its cells gave."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from jupyter_client import BlockingKernelClient, KernelManager
from traitlets.config import Config

from roadmap.grading.sandbox import KERNEL_NAME

PATIENCE = 20.0
Start = Callable[..., "Kernel"]


class Kernel:
    """A kernel, and what its cells gave."""

    def __init__(self, cwd: Path, settings: dict[str, object]) -> None:
        config = Config({"SandboxProvisioner": settings})
        self.manager = KernelManager(kernel_name=KERNEL_NAME, config=config)
        self.manager.start_kernel(cwd=str(cwd))
        self.client: BlockingKernelClient = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    @property
    def provisioner(self) -> Any:
        return self.manager.provisioner

    def run(self, code: str, timeout: float = PATIENCE) -> str:
        """Run a cell; its output, or ``Name: message`` of its exception."""
        parts: list[str] = []

        def keep(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                parts.append(content["text"])
            elif message["msg_type"] == "error":
                parts.append(f"{content['ename']}: {content['evalue']}")
            elif "data" in content:
                parts.append(content["data"]["text/plain"])

        self.client.execute_interactive(
            code, timeout=timeout, output_hook=keep, allow_stdin=False
        )
        return "".join(parts).strip()

    def begin(self, code: str) -> None:
        """Run a cell whose end nobody waits for."""
        self.client.execute(code)

    def dies_of(self, code: str) -> str | None:
        """Run a cell that the kernel does not survive; the reason of its end."""
        self.begin(code)
        until(lambda: not self.manager.is_alive())
        return self.provisioner.exit_reason  # type: ignore[no-any-return]

    def shut_down(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until something is so."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def running(mark: str) -> list[int]:
    """Processes of the host with ``mark`` in their command line."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if mark in " ".join(process.info["cmdline"] or [])
    ]


def python(code: str, *arguments: str) -> list[str]:
    """The command that runs ``code`` in a new interpreter."""
    return [sys.executable, "-c", code, *arguments]
