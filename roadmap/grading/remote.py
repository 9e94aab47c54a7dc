"""Jobs on the workers of a Dask scheduler, which may be other machines.

What travels is JSON of a bounded size, both ways. A worker runs a job as this machine
would: a process of its own, its own host's sandbox, the same limits and proof. What a
dead worker had to do, Dask gives to another.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import multiprocessing
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Any

import dask
from distributed import CancelledError, Client, Future, KilledWorker, get_worker
from distributed.comm import parse_address, parse_host_port
from distributed.comm.registry import get_backend
from distributed.security import Security

from roadmap.errors import RoadmapError, UsageError
from roadmap.grading import parcel
from roadmap.grading.engine import Engine, refuse_without_isolation
from roadmap.grading.sandbox.client import own_server
from roadmap.grading.supervise import NotebookResult, StoppedError, run_job
from roadmap.grading.worker import Job

CONNECT = (
    10.0  # seconds for the scheduler to answer, and for a first worker to be there
)
NO_WORKER = 60.0  # seconds without any worker until the run is given up
LOOK = 0.2  # seconds between two looks whether a job is still wanted
LOOK_FOR_WORKERS = 5.0
DISTRIBUTION = "python-backend-roadmap"
WORKERS_OWN = "the fork server of the worker that runs the job"


@contextmanager
def connect(address: str, sandbox: bool) -> Iterator[Engine]:
    """Use the workers of the scheduler at ``address``, e.g. ``tcp://host:8786``.

    Raises:
        UsageError: that is no address.
        RoadmapError: no scheduler answers there, or it has no workers.
    """
    # What Dask logs of a lost connection is said in one line here.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with (
        # A submission is as large as it is; there is nothing to be done about it.
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}),
        _client(address) as client,
    ):
        try:
            client.wait_for_workers(1, timeout=CONNECT)
        except TimeoutError:
            raise RoadmapError(
                f"{address}: no worker is connected to this scheduler; "
                f"start one with `dask worker {address}`"
            ) from None
        _refuse_without_roadmap(client)
        # No more, since Dask holds a worker's death against what waits for it, too.
        threads = sum(client.nthreads().values())
        runner = _Cluster(address, client).run_job
        yield Engine(runner, WORKERS_OWN if sandbox else None, threads)


@contextmanager
def _client(address: str) -> Iterator[Client]:
    security = Security()  # as Dask's own settings say
    try:
        scheme, place = parse_address(address)
        get_backend(scheme)
        parse_host_port(place, 8786)
    except ValueError as error:
        raise UsageError(f"--scheduler {address}: {_line(error)}") from error
    secure = security.get_connection_args("client").get("ssl_context")
    if address.startswith("tls://") and secure is None:
        raise UsageError(
            f"--scheduler {address}: TLS needs certificates; name them in Dask's settings, "
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__CLIENT__CERT and …__CLIENT__KEY"
        )
    try:
        client = Client(
            address, timeout=CONNECT, set_as_default=False, security=security
        )
    except OSError as error:
        raise RoadmapError(
            f"{address}: no Dask scheduler answers there; start one with "
            f"`dask scheduler`, and see that this machine can reach it ({_line(error)})"
        ) from error
    with client:
        yield client


def _refuse_without_roadmap(client: Client) -> None:
    """Find workers that would die of the first job, before they do."""
    # A function of the standard library is there in any case.
    found = client.run(importlib.metadata.version, DISTRIBUTION, on_error="return")
    for worker, answer in found.items():
        if isinstance(answer, Exception):
            raise RoadmapError(
                f"{worker}: {DISTRIBUTION} is not installed for this worker; "
                "install there what is installed here"
            )


class _Cluster:
    """The grader's side. Its method is called from several threads."""

    def __init__(self, address: str, client: Client) -> None:
        self._address = address
        self._client = client

    def run_job(
        self, job: Job, memory_limit: int, stop: threading.Event
    ) -> dict[str, NotebookResult]:
        """As :func:`supervise.run_job`, on a worker.

        Raises:
            StoppedError: ``stop`` was set.
            RoadmapError: the cluster is lost, or a worker is not fit to grade.
        """
        try:
            sent = parcel.pack_job(job, memory_limit)
        except parcel.TooLargeError as error:
            return _nothing(job, str(error))
        try:
            reply = self._ask(sent, stop)
        except KilledWorker as error:
            return _nothing(job, _deaths(error))
        except (CancelledError, OSError) as error:
            raise RoadmapError(
                f"{self._address}: the connection to the scheduler is lost; start it, then "
                "give the command again: what is graded is kept"
            ) from error
        if len(reply) > parcel.REPLY_LIMIT:
            return _nothing(job, f"the worker's answer is {len(reply)} bytes long")
        return self._read(json.loads(reply), job)

    def _ask(self, sent: bytes, stop: threading.Event) -> bytes:
        """Have a worker run it; wait for the answer, or until it is not wanted any more."""
        key = f"roadmap-{token_hex(8)}"
        future: Future = self._client.submit(run_parcel, sent, key=key)
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        try:
            self._wait(done, stop)
            reply: bytes = future.result()
            return reply
        finally:
            # Of what nobody wants any more, Dask stops what still runs.
            future.release()

    def _wait(self, done: threading.Event, stop: threading.Event) -> None:
        seen = next_look = monotonic()
        while not done.wait(LOOK):
            if stop.is_set():
                raise StoppedError
            if monotonic() < next_look:
                continue
            if self._client.nthreads():
                seen = monotonic()
            elif monotonic() - seen > NO_WORKER:
                raise RoadmapError(
                    f"{self._address}: all workers are gone; start one with `dask worker "
                    f"{self._address}`, then give the command again: what is graded is kept"
                )
            next_look = monotonic() + LOOK_FOR_WORKERS

    def _read(self, reply: dict[str, Any], job: Job) -> dict[str, NotebookResult]:
        if "refused" in reply:
            raise RoadmapError(reply["refused"])
        if "failed" in reply:
            return _nothing(job, reply["failed"])
        return parcel.unpack_results(reply, job)


def _nothing(job: Job, reason: str) -> dict[str, NotebookResult]:
    message = f"not graded, and no mark was written: {reason}"
    return {name: NotebookResult("error", message) for name in job.notebooks}


def _deaths(error: KilledWorker) -> str:
    last = error.last_worker.address
    return f"{error.allowed_failures + 1} workers that had it died, the last at {last}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def run_parcel(sent: bytes) -> bytes:
    """The worker's side: run what :func:`parcel.pack_job` packed, and answer with JSON.

    ``refused`` is for what is the host's fault and would be so with every job,
    ``failed`` for what went wrong with this one.
    """
    host = socket.gethostname()
    answer: dict[str, Any]
    try:
        answer = _run_here(sent)
    except RoadmapError as error:
        answer = {"refused": f"{host}: {error}"}
    except StoppedError:
        answer = {"failed": "it was not wanted any more"}
    except Exception as error:  # an exception would travel as a pickle
        answer = {"failed": f"{host}: {type(error).__name__}: {_line(error)}"}
    return json.dumps(answer).encode()


def _run_here(sent: bytes) -> dict[str, Any]:
    # Dask's nanny makes its worker a daemon, which may have no processes of its own, lest
    # they outlive it. Ours see when it is gone, and end.
    process: Any = multiprocessing.current_process()
    process._config["daemon"] = False
    place = get_worker().local_directory  # Dask empties it of what killed workers left
    with (
        tempfile.TemporaryDirectory(
            prefix="roadmap-", dir=place, ignore_cleanup_errors=True
        ) as scratch,
        _stopped_when_cancelled() as stop,
    ):
        job, memory_limit = parcel.unpack_job(sent, Path(scratch))
        if job.settings["sandbox"] is not None:
            refuse_without_isolation()
            settings = {**job.settings, "sandbox": own_server().address}
            job = replace(job, settings=settings)
        results = run_job(job, memory_limit, stop)
        return parcel.pack_results(job, results)


@contextmanager
def _stopped_when_cancelled() -> Iterator[threading.Event]:
    """An event that is set when nobody waits any more for the task of this thread.

    Dask lets a task that runs go on, though its client has cancelled it or is gone.
    """
    worker = get_worker()
    key = worker.get_current_task()
    stop, over = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(LOOK):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                stop.set()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield stop
    finally:
        over.set()
        thread.join()
