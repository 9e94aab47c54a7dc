"""A real JupyterLab for the browser tests, and a place for their pictures."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roadmap.lessons.work import DELIVERED

LEARNER = Path(__file__).parents[2] / "jupyterlab" / "learner"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_it_answers(
    server: subprocess.Popen[bytes], address: str, log: Path
) -> None:
    """Give the server a minute; what it wrote to ``log`` is said when it does not come."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310
                return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture
def jupyterlab(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Starts JupyterLab on a folder and gives its address; all of them end with the test."""
    servers: list[subprocess.Popen[bytes]] = []

    def start(root: Path) -> str:
        port, log = free_port(), tmp_path / "jupyterlab.log"
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        environment = os.environ | {
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ROADMAP_PROGRESS_FILE": str(tmp_path / "progress.json"),
        }
        if (root / DELIVERED).is_file():  # a learner's copy: as `make course` does
            environment["JUPYTER_CONFIG_PATH"] = str(LEARNER)
        command = [
            sys.executable,
            "-m",
            "jupyter",
            "lab",
            "--no-browser",
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            f"--ServerApp.root_dir={root}",
        ]
        with log.open("ab") as out:
            servers.append(
                subprocess.Popen(
                    command, cwd=root, env=environment, stdout=out, stderr=out
                )
            )
        address = f"http://127.0.0.1:{port}"
        wait_until_it_answers(servers[-1], f"{address}/api/status", log)
        return address

    yield start
    for server in servers:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture
def pictures() -> Path:
    """Where a test leaves its screenshots, for people to look at."""
    folder = Path(__file__).parents[2] / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
