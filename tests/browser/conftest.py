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


@pytest.fixture
def jupyterlab(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Starts JupyterLab on a folder and gives its address; all of them end with the test."""
    servers: list[subprocess.Popen[bytes]] = []

    def start(root: Path) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
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
        with (tmp_path / "jupyterlab.log").open("ab") as log:
            servers.append(
                subprocess.Popen(
                    command, cwd=root, env=environment, stdout=log, stderr=log
                )
            )
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{address}/api/status", timeout=5):  # noqa: S310
                    return address
            except OSError:
                assert servers[-1].poll() is None, (
                    tmp_path / "jupyterlab.log"
                ).read_text()
                time.sleep(0.2)
        raise AssertionError((tmp_path / "jupyterlab.log").read_text())

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
