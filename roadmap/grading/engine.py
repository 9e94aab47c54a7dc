"""Who runs jobs: this machine, or the workers of a Dask scheduler."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from roadmap.errors import RoadmapError
from roadmap.grading.sandbox import ADDRESS_VARIABLE, ForkServer, available
from roadmap.grading.supervise import NotebookResult, run_job
from roadmap.grading.worker import Job

RunJob = Callable[[Job, int, threading.Event], dict[str, NotebookResult]]


@dataclass(frozen=True)
class Engine:
    """Runs jobs from several threads at once.

    ``run_job`` does what :func:`supervise.run_job` does, here or elsewhere; ``sandbox``
    goes into the jobs' settings; ``at_once`` is how many jobs keep it busy.
    """

    run_job: RunJob
    sandbox: str | None
    at_once: int


@contextmanager
def open_engine(scheduler: str | None, sandbox: bool) -> Iterator[Engine]:
    """This machine, or the workers of the Dask scheduler at the address ``scheduler``.

    Raises:
        RoadmapError: this machine cannot isolate kernels, and ``sandbox`` asks for it;
            or there is no such scheduler.
    """
    if scheduler is not None:
        from roadmap.grading.remote import connect  # Dask takes half a second to import

        with connect(scheduler, sandbox) as engine:
            yield engine
        return
    at_once = os.cpu_count() or 1
    if not sandbox:
        yield Engine(run_job, None, at_once)
        return
    refuse_without_isolation()
    address = os.environ.get(ADDRESS_VARIABLE)
    if address:
        yield Engine(run_job, address, at_once)
        return
    with ForkServer() as server:
        yield Engine(run_job, server.address, at_once)


def refuse_without_isolation() -> None:
    """Raises RoadmapError, with what is missing, where learners' code cannot be isolated."""
    missing = available()
    if missing:
        raise RoadmapError(
            f"this host cannot isolate learners' code: {'; '.join(missing)}; "
            "--no-sandbox runs it all the same, with your own rights"
        )


def make_folders(scratch: Path, name: str) -> dict[str, str]:
    """Make the folders of a :class:`Job` in ``scratch``; what runs there sees it as ``name``."""
    folders = {
        "cwd": scratch / token_hex(4) / name,
        "out": scratch / "out",
        "runtime": scratch / "run",
    }
    for folder in folders.values():
        folder.mkdir(parents=True)
    return {field: str(folder) for field, folder in folders.items()}
