"""Watch the process that runs a submission: listen, measure, and end it when it must end."""

from __future__ import annotations

import json
import multiprocessing
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from time import monotonic
from types import ModuleType
from typing import Any

from roadmap.grading import worker
from roadmap.grading.processes import kill_descendants, kill_tree, memory
from roadmap.grading.proof.doubts import TRIES
from roadmap.grading.rows import Status
from roadmap.grading.worker import Job

POLL = 0.1  # seconds between two looks at the memory
# A sandboxed kernel has a supervisor of its own: what is looked at here is the process
# that only keeps its outputs.
SANDBOXED_POLL = 1.0
EVENT_LIMIT = 1_000_000  # bytes of one event
# What a notebook may take on top of its own limits: to be read, rebuilt and written.
SLACK = 30.0
FORGED = (
    "not counted: the check was passed, and so was the same check with other values, "
    "which no right answer passes"
)
UNPROVED = (
    "not counted: the check was passed, and then not again when the same was asked in "
    "another form"
)
AFTER_FORGED = "not counted: an answer above kept its check from judging"

_METHOD = "spawn" if sys.platform == "win32" else "forkserver"
_CONTEXT: Any = multiprocessing.get_context(_METHOD)
if _METHOD == "forkserver":
    _CONTEXT.set_forkserver_preload(["roadmap.grading.warm"])
# multiprocessing looks after its other children when it starts one, which threads must not mix.
_STARTING = threading.Lock()


@contextmanager
def _no_main() -> Iterator[None]:
    """Let a new process not run the program that called us, as multiprocessing has it do."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class StoppedError(Exception):
    """The grader is stopping; what this submission has is not to be kept."""


@dataclass
class NotebookResult:
    """What is known of one notebook so far; marks stay when the rest is lost.

    ``scores`` maps a grade id to (score, message), in notebook order; ``unanswered``
    is None until the notebook was read and rebuilt; ``forged`` are the checks that
    passed whatever they compared, ``unproved`` those that did not pass again.
    """

    status: Status = "error"
    message: str | None = "not graded"
    seconds: float = 0.0
    unanswered: list[str] | None = None
    scores: dict[str, tuple[float, str | None]] = field(default_factory=dict)
    forged: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)

    def disown(self) -> None:
        """Take back the marks from the first doubtful check on, if there is one."""
        reasons = dict.fromkeys(self.forged, FORGED)
        reasons |= dict.fromkeys(self.unproved, UNPROVED)
        doubtful = [name for name in self.scores if name in reasons]
        if not doubtful:
            return
        names = list(self.scores)
        for name in names[names.index(doubtful[0]) :]:
            self.scores[name] = (0.0, reasons.get(name, AFTER_FORGED))
        self.status = "tampered"
        said = {
            "passed whatever was compared": self.forged,
            "not passed again in another form": self.unproved,
        }
        self.message = "; ".join(
            f"{what}: {_some(names)}" for what, names in said.items() if names
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def run_job(
    job: Job, memory_limit: int, stop: threading.Event
) -> dict[str, NotebookResult]:
    """Run all notebooks of a job; a notebook that takes its process along costs no other.

    Raises:
        StoppedError: ``stop`` was set.
    """
    results = {name: NotebookResult() for name in job.notebooks}
    left = list(job.notebooks)
    while left:
        with _Watch(job.only(left), memory_limit, stop, results) as watch:
            watch.listen()
        left = left[len(watch.ended) :]
    return results


class _Watch:
    """One worker process, from its start to its end."""

    def __init__(
        self,
        job: Job,
        memory_limit: int,
        stop: threading.Event,
        results: Mapping[str, NotebookResult],
    ) -> None:
        self.ended: list[str] = []
        self._job, self._memory_limit, self._stop = job, memory_limit, stop
        self._results = results
        self._names = list(job.notebooks)
        settings = job.settings
        once = settings["notebook_timeout"] + settings["startup_timeout"]
        self._time_limit = (2 + TRIES if job.prove else 1) * once + SLACK
        self._poll = SANDBOXED_POLL if settings["sandbox"] else POLL
        self._started = self._next_look = monotonic()
        self._over_memory = False

    def __enter__(self) -> _Watch:
        self._connection, theirs = _CONTEXT.Pipe()
        self._process: BaseProcess = _CONTEXT.Process(
            target=worker.main, args=(theirs,), daemon=True
        )
        with _STARTING, _no_main():
            self._process.start()
        theirs.close()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process.pid is not None:
            kill_tree(self._process.pid)
        self._connection.close()
        with _STARTING:
            self._process.join()
            self._process.close()

    @property
    def _name(self) -> str:
        return self._names[len(self.ended)]

    @property
    def _result(self) -> NotebookResult:
        return self._results[self._name]

    def listen(self) -> None:
        """Take in events until all notebooks ended, or the process did."""
        with suppress(BrokenPipeError):
            self._connection.send_bytes(json.dumps(vars(self._job)).encode())
        while len(self.ended) < len(self._names):
            if self._stop.is_set():
                raise StoppedError
            event = self._receive(self._connection)
            if event is None:
                self._finish("kernel_died", "the process that ran the notebook died")
                return
            if event:
                self._take(event)
            if not self._look():
                return

    def _receive(self, connection: Connection) -> dict[str, Any] | None:
        """The next event; empty when there is none yet, None when there will be none."""
        try:
            if not connection.poll(POLL):
                return {}
            event: dict[str, Any] = json.loads(connection.recv_bytes(EVENT_LIMIT))
        except (EOFError, OSError):
            return None
        return event

    def _take(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "start":
                self._started, self._over_memory = monotonic(), False
            case "rebuilt":
                self._result.unanswered = event["unanswered"]
            case "cell":
                self._result.scores[event["cell"]] = (event["score"], event["message"])
            case "doubts":
                self._result.forged = event["forged"]
                self._result.unproved = event["unproved"]
            case "end":
                self._finish(event["status"], event["message"], event["seconds"])

    def _look(self) -> bool:
        """See to the limits; False when the process had to be ended."""
        if monotonic() < self._next_look or len(self.ended) == len(self._names):
            return True
        self._next_look = monotonic() + self._poll
        pid = self._process.pid
        assert pid is not None  # noqa: S101  # it was started
        if monotonic() - self._started > self._time_limit:
            self._finish("timeout", f"stopped after {self._time_limit:g} s")
            return False
        if memory(pid, self._memory_limit) > self._memory_limit:
            self._over_memory = True
            # Without its kernel the worker lives on: it saves what the notebook has so far
            # and goes on to the next. If there is no kernel, the notebook is the burden.
            if not kill_descendants(pid):
                self._finish("kernel_died", None)
                return False
        return True

    def _finish(
        self, status: Status, message: str | None, seconds: float | None = None
    ) -> None:
        result = self._result
        if self._over_memory and status == "kernel_died":
            status = "out_of_memory"
            message = f"stopped at the limit of {self._memory_limit / 2**20:.0f} MiB of memory"
        result.status, result.message = status, message
        result.seconds = monotonic() - self._started if seconds is None else seconds
        result.disown()
        self.ended.append(self._name)
