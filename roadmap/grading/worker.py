"""The process that runs one submission's notebooks.

It gets a job as JSON, sends JSON events, and never opens the gradebook. It knows
nothing of the class: only its own folders, the master and the limits.
"""

from __future__ import annotations

import roadmap.lean_imports  # noqa: F401

# isort: split

import copy
import ctypes
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Any

from nbformat import NotebookNode

from roadmap.grading.kernel import CellRun, Outcome, execute
from roadmap.grading.kernels import ExecuteSettings
from roadmap.grading.master import MasterNotebook, grade_id, is_check, nbgrader
from roadmap.grading.processes import kill_descendants
from roadmap.grading.proof.doubts import doubts
from roadmap.grading.proof.innocent import cannot_forge
from roadmap.grading.submission import InvalidNotebookError, read_notebook, rebuild
from roadmap.grading.verdict import judge, plain

PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Job:
    """What a worker has to do.

    ``notebooks`` maps a name to the submitted file; ``cwd`` is where they run,
    ``out`` where each is left, rebuilt and then executed, ``runtime`` where the
    kernels have their connections; all three are in one folder that nothing else uses.
    With ``prove`` each notebook is run again with negative twins; ``unprovable`` names
    the checks of each of which that says nothing.
    """

    cwd: str
    out: str
    runtime: str
    notebooks: Mapping[str, str]
    masters: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]
    prove: bool
    unprovable: Mapping[str, list[str]]

    def only(self, names: list[str]) -> Job:
        """The same for some of the notebooks."""
        return Job(
            **{
                **self.__dict__,
                "notebooks": {name: self.notebooks[name] for name in names},
            }
        )


def main(connection: Connection) -> None:
    """Entry point of the process: one job, then the end."""
    _live_apart()
    job = Job(**json.loads(connection.recv_bytes()))
    scratch = Path(job.out).parent
    threading.Thread(
        target=_end_with_parent, args=(connection, scratch), daemon=True
    ).start()
    for name in job.notebooks:
        _grade_notebook(job, name, connection)
        # What a notebook left running must not meet the next one.
        kill_descendants(os.getpid())
    _send(connection, "done")


def _live_apart() -> None:
    """Be out of the terminal's reach, and the one to whom orphaned processes fall."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_with_parent(connection: Connection, scratch: Path) -> None:
    """Wait for the other end to close: the grader is gone, so nobody reads on or cleans up."""
    try:
        connection.recv_bytes()
    except (EOFError, OSError):
        kill_descendants(os.getpid())
        shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)


def _send(connection: Connection, event: str, **details: Any) -> None:
    connection.send_bytes(json.dumps({"event": event, **details}).encode())


def _grade_notebook(job: Job, name: str, connection: Connection) -> None:
    _send(connection, "start", notebook=name)
    start = monotonic()
    status: str
    message: str | None
    try:
        outcome = _graded(job, name, connection)
        status, message = outcome.status, outcome.message
    except InvalidNotebookError as error:
        status, message = "invalid", str(error)
    except Exception as error:  # a fault of ours, or of the host: only this row's
        status, message = "error", f"{type(error).__name__}: {error}"
    line = " ".join(plain(message).split()) if message else None
    _send(connection, "end", status=status, message=line, seconds=monotonic() - start)


def _graded(job: Job, name: str, connection: Connection) -> Outcome:
    """Rebuild, run and judge one notebook; its checks' marks are sent as they come.

    Raises:
        InvalidNotebookError: what was handed in is no notebook.
    """
    master = MasterNotebook.from_dict(job.masters[name])
    file = Path(job.out, f"{name}.ipynb")
    try:
        nb = rebuild(read_notebook(Path(job.notebooks[name])), master)
        _write(nb, file)
    except RecursionError as error:
        raise InvalidNotebookError("the JSON is nested too deeply") from error
    _send(connection, "rebuilt", unanswered=unanswered(nb, master))
    passed: dict[str, float] = {}

    def report(index: int, run: CellRun) -> None:
        meta = nbgrader(nb.cells[index])
        if is_check(nb.cells[index]):
            score, message = judge(nb.cells[index], float(meta["points"]), run)
            if score > 0:
                passed[meta["grade_id"]] = score
            _send(
                connection, "cell", cell=meta["grade_id"], score=score, message=message
            )

    outcome = _run(job, nb, master, report, connection, passed)
    _write(nb, file)
    return outcome


def _run(
    job: Job,
    nb: NotebookNode,
    master: MasterNotebook,
    report: Callable[[int, CellRun], None],
    connection: Connection,
    passed: Mapping[str, float],
) -> Outcome:
    """Run the notebook; and again, with twins, if a pass of its code needs proof.

    ``passed`` has what the checks gave that ``report`` found to have passed, by grade id.
    """
    settings = ExecuteSettings(
        **{**job.settings, "extra_arguments": tuple(job.settings["extra_arguments"])}
    )
    cwd, runtime = Path(job.cwd), Path(job.runtime)
    if not job.prove or cannot_forge(nb, master, cwd):
        return execute(nb, cwd, runtime, settings, report)
    start = monotonic()
    with _as_it_is_now(nb, job) as (before, place):
        outcome = execute(nb, cwd, runtime, settings, report)
        unprovable = job.unprovable.get(master.name, [])
        provable = {k: v for k, v in passed.items() if k not in unprovable}
        if provable:
            seconds = monotonic() - start
            found = doubts(before, provable, place, runtime, settings, seconds)
            _send(connection, "doubts", **vars(found))
    return outcome


@contextmanager
def _as_it_is_now(nb: NotebookNode, job: Job) -> Iterator[tuple[NotebookNode, Path]]:
    """Copies of the notebook and of its folder, the latter at a path of the same look."""
    place = Path(job.out).parent / token_hex(4)
    shutil.copytree(job.cwd, place / Path(job.cwd).name, symlinks=True)
    try:
        yield copy.deepcopy(nb), place / Path(job.cwd).name
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _write(nb: NotebookNode, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    text = json.dumps(nb, ensure_ascii=False)  # ten times as fast as with an indent
    temporary.write_text(text, encoding="utf-8", errors="replace")
    temporary.replace(path)


def unanswered(nb: NotebookNode, master: MasterNotebook) -> list[str]:
    """Grade ids of the answer cells whose text is still the master's."""
    released = {
        grade_id(cell): cell["source"] for cell in master.cells if grade_id(cell)
    }
    return [
        name
        for cell in nb.cells
        if nbgrader(cell).get("solution")
        and (name := grade_id(cell))
        and cell.source == released[name]
    ]
