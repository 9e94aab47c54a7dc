"""Inside a lesson's kernel: many answers to one exercise, each in a fork of its own.

Before the answer cell of an exercise runs, the kernel forks once for each answer. The
fork runs the answer and the cells down to the exercise's last check through the
shell's own ``run_cell``, says how each of them ended, and is gone: about ten
milliseconds, where a kernel of its own takes half a second. Then the notebook goes on
with the reference answer as if nothing had happened.

Only what the process itself holds can be forked. A kernel that has other threads,
other processes or an event loop with open connections says so instead, and the
answers are run in kernels of their own (``kernels.py``). Files are put back after
each answer. The caller is trusted; the limits are there for mutants that loop.

This module is imported in the kernel: nothing of the audit's other half is.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import io
import json
import os
import resource
import select
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn, TypedDict

import psutil
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.getipython import get_ipython

from roadmap.grading.processes import kill_descendants

MARK = "\x1eroadmap-audit "
PR_SET_CHILD_SUBREAPER = 36
# Bytes of addresses that an answer may take beyond those of the kernel.
MEMORY = 1024**3
# Packages whose threads only carry messages: no answer has to do with them.
_THE_KERNELS_OWN = {"zmq", "ipykernel", "IPython", "tornado"}


class Cell(TypedDict):
    """One code cell of the stretch that belongs to an exercise."""

    id: str
    source: str


class Variant(TypedDict):
    """One run of the stretch: the sources that differ, by cell id, and its limits.

    ``wall`` and ``cpu`` are seconds by the clock and of the processor, each beyond ten
    times what the first variant took.
    """

    sources: dict[str, str]
    wall: float
    cpu: float


@dataclass
class _Kernel:
    """What the kernel had before the lesson's first cell."""

    threads: set[threading.Thread] = field(default_factory=set)
    watched: int = 0


_at_start = _Kernel()


def begin() -> None:
    """Remember what an empty kernel looks like; call it before the lesson's first cell."""
    if sys.platform == "linux":  # daemons that the lesson starts fall to this process
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _at_start.threads = set(threading.enumerate())
    _at_start.watched = _watched()


def run(job: str) -> None:
    """Run the variants of ``job`` (JSON: ``cells``, ``variants``) and print what they say.

    A line each, after :data:`MARK`: the runs of the cells, the seconds, and whether it
    was stopped; or only ``unforkable`` with the reason.
    """
    cells, variants = (json.loads(job)[key] for key in ("cells", "variants"))
    reason = _unforkable()
    if reason:
        _tell({"unforkable": reason})
        return
    folder = _Folder(Path.cwd())
    _prepare(cells)
    gc.collect()
    gc.freeze()  # a fork copies the pages that it writes to, if only to look for garbage
    first = 0.0
    for number, variant in enumerate(variants):
        result = _fork(cells, variant, 10 * first)
        if number == 0:
            first = result["cpu"]
        folder.put_back()
        _tell({"number": number, **result})
    gc.unfreeze()
    del get_ipython().transform_cell


def _prepare(cells: Sequence[Cell]) -> None:
    """Translate the cells that all variants share once, which is half of what they cost."""
    shell: Any = get_ipython()
    translate = type(shell).transform_cell
    ready = {cell["source"]: translate(shell, cell["source"]) for cell in cells}
    shell.transform_cell = lambda source: (
        ready[source] if source in ready else translate(shell, source)
    )


def _tell(line: Mapping[str, Any]) -> None:
    print(f"\n{MARK}{json.dumps(line)}", flush=True)  # noqa: T201  # the cell's output


def _unforkable() -> str | None:
    """What this kernel has that a fork would lack or share; None when there is nothing."""
    started = [
        thread
        for thread in set(threading.enumerate()) - _at_start.threads
        if type(thread).__module__.partition(".")[0] not in _THE_KERNELS_OWN
    ]
    if started:
        return f"the lesson has started a thread ({started[0].name})"
    below = psutil.Process().children(recursive=True)
    if below:
        return f"the lesson has started a process ({below[0].name()})"
    if _watched() > _at_start.watched:
        return "the lesson has open connections in its event loop"
    return None


def _watched() -> int:
    """How many files and sockets the running event loop waits for."""
    selector = getattr(asyncio.get_running_loop(), "_selector", None)
    return len(selector.get_map()) if selector is not None else 0


def _fork(cells: Sequence[Cell], variant: Variant, more: float) -> dict[str, Any]:
    """Run one variant in a child and collect what it says until it ends or overruns."""
    reading, writing = os.pipe()
    start = monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_the_child(cells, variant, more, writing)
    os.close(writing)
    text, in_time = _read(reading, start + variant["wall"] + more)
    os.close(reading)
    _kill(pid)
    _, status = os.waitpid(pid, 0)
    _end_leftovers()
    lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
    ended = next((line for line in lines if "cpu" in line), None)
    overran = not in_time or _overran(status)
    return {
        "runs": [line for line in lines if "cpu" not in line],
        "cpu": ended["cpu"] if ended else 0.0,
        "seconds": monotonic() - start,
        "stopped": overran and ended is None,
    }


def _kill(pid: int) -> None:
    """End a child that may be anywhere between its first act and its last."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # it made itself the leader of a group
    os.kill(pid, signal.SIGKILL)


def _overran(status: int) -> bool:
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF


def _read(pipe: int, deadline: float) -> tuple[str, bool]:
    """All that comes until the end is told or the pipe closes, and if that was in time."""
    data = b""
    while not data.endswith(b'"end": true}\n'):
        left = deadline - monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            return data.decode(errors="replace"), False
        chunk = os.read(pipe, 65536)
        if not chunk:
            break
        data += chunk
    return data.decode(errors="replace"), True


def _end_leftovers() -> None:
    """Kill what the child has left running: orphans fall to this process, which had none."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
    kill_descendants(os.getpid())


def _be_the_child(
    cells: Sequence[Cell], variant: Variant, more: float, pipe: int
) -> NoReturn:
    """Run the cells one by one and tell of each; never come back."""
    try:
        os.setsid()
        _limit(variant, more)
        shell = _quiet_shell()
        for cell in cells:
            source = variant["sources"].get(cell["id"], cell["source"])
            _say(pipe, {"id": cell["id"], **_run_cell(shell, source)})
        used = resource.getrusage(resource.RUSAGE_SELF)
        _say(pipe, {"cpu": used.ru_utime + used.ru_stime, "end": True})
    finally:
        os._exit(0)


def _say(pipe: int, line: Mapping[str, Any]) -> None:
    data = memoryview(json.dumps(line).encode() + b"\n")
    while data:
        data = data[os.write(pipe, data) :]


def _limit(variant: Variant, more: float) -> None:
    taken = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, variant["cpu"] + more)


def _quiet_shell() -> Any:
    """The shell, cut off from the front end: what it would show is kept or dropped."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    shell: Any = get_ipython()
    shell.display_pub = CapturingDisplayPublisher()
    shell.displayhook = shell.display_trap.hook = _Value(shell=shell)
    for name in ("showtraceback", "showsyntaxerror", "showindentationerror"):
        setattr(shell, name, lambda *args, **kwargs: None)
    asyncio.set_event_loop(asyncio.new_event_loop())
    return shell


class _Value(DisplayHook):  # type: ignore[misc]  # IPython is not typed here
    """Keeps the first value that a cell shows, as text; the grader reads that one."""

    text: str | None = None

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(
        self, format_dict: dict[str, Any], md_dict: Any = None
    ) -> None:
        if self.text is None:
            self.text = str(format_dict.get("text/plain"))

    def finish_displayhook(self) -> None:
        self._is_active = False


def _run_cell(shell: Any, source: str) -> dict[str, Any]:
    """How a cell ended: ``state``, the exception's name, text and line, the value shown."""
    shell.displayhook.text = None
    result = shell.run_cell(source, store_history=False)
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return {"state": "ok", "value": shell.displayhook.text}
    return {
        "state": "error",
        "ename": type(error).__name__,
        "evalue": _text(error),
        "line": _line(error),
    }


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an exception that cannot be written down
        return ""


def _line(error: BaseException) -> int | None:
    """The line of the cell in which the exception came up, or passed through."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "<module>":
            return trace.tb_lineno
        trace = trace.tb_next
    return None


@dataclass
class _Folder:
    """The files below a folder as they are, to be put back as they were."""

    root: Path
    contents: dict[Path, bytes] = field(init=False)
    looks: dict[Path, tuple[int, int, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.looks = self._look()
        self.contents = {path: path.read_bytes() for path in self.looks}

    def _look(self) -> dict[Path, tuple[int, int, int]]:
        found = {}
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                status = path.lstat()
                if path.is_file() and not path.is_symlink():
                    found[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
        return found

    def put_back(self) -> None:
        now = self._look()
        if now == self.looks:
            return
        for path in now.keys() - self.looks.keys():
            path.unlink()
        for path in self.looks:
            if now.get(path) != self.looks[path]:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.contents[path])
        self.looks = self._look()
