"""A Dask scheduler and workers, each a process of its own, on free loopback ports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from distributed import Client
from waiting import wait_for

from roadmap.grading.processes import kill_tree

DASK = "import sys; from dask.__main__ import main; sys.argv[0] = 'dask'; main()"
PRIVATE = ("--dashboard-address", "127.0.0.1:0")


class DaskCluster:
    """A scheduler; workers are added by hand. All of them end with :func:`dask_cluster`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {**environment, "DASK_TEMPORARY_DIRECTORY": str(folder)}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._file = folder / "scheduler.json"
        listen = ("--host", "127.0.0.1", "--port", "0", *PRIVATE)
        self.scheduler = self._start(
            "scheduler", *listen, "--scheduler-file", self._file
        )
        wait_for(lambda: self._file.exists() and self._file.read_text().endswith("}"))
        self.address: str = json.loads(self._file.read_text())["address"]

    def worker(self, *options: str, first: str = "") -> subprocess.Popen[bytes]:
        """Start a worker, to which ``first`` is done before anything else."""
        place = self._folder / f"worker-{len(self._processes)}"
        options = ("--host", "127.0.0.1", "--nthreads", "1", *PRIVATE, *options)
        return self._start(
            "worker", self.address, "--local-directory", place, *options, first=first
        )

    def wait_for_workers(self, number: int) -> None:
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(number, timeout=60)

    def _start(
        self, *arguments: str | Path, first: str = ""
    ) -> subprocess.Popen[bytes]:
        log = (self._folder / f"{arguments[0]}-{len(self._processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-c", f"{first}\n{DASK}", *map(str, arguments)],
            cwd=self._folder,
            stdout=log,
            stderr=log,
            env={**os.environ, **self._environment},
        )
        log.close()
        self._processes.append(process)
        return process

    def close(self) -> None:
        for process in reversed(self._processes):
            kill_tree(process.pid)  # a nanny's worker would outlive it for a while
            process.wait()


@contextmanager
def dask_cluster(**environment: str) -> Iterator[DaskCluster]:
    """A scheduler in a folder whose path is short enough for a kernel's sockets."""
    with tempfile.TemporaryDirectory(
        prefix="dask-", ignore_cleanup_errors=True
    ) as folder:
        cluster = DaskCluster(Path(folder), environment)
        try:
            yield cluster
        finally:
            cluster.close()
