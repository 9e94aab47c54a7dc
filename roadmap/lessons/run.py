"""Execute notebooks of ``source/`` with papermill, as CI does."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path


@dataclass(frozen=True)
class RunResult:
    """How one notebook ran; ``error`` is one line, None when it ran clean."""

    phase: str
    lesson: str
    seconds: float
    error: str | None


def run(
    root: Path,
    lessons: Sequence[tuple[str, str]],
    *,
    workers: int | None = None,
    kernel_name: str | None = None,
    on_result: Callable[[RunResult], None] = lambda result: None,
) -> list[RunResult]:
    """Run each (phase, lesson) of ``root/source`` in a private copy of its phase's folder.

    ``workers`` notebooks run at once, one for each core by default; in the kernel
    ``kernel_name``, or the one that the notebook names. Results come back in the order
    of ``lessons``; ``on_result`` hears of each as it ends.
    """
    results: dict[tuple[str, str], RunResult] = {}
    workers = min(workers or os.cpu_count() or 1, max(len(lessons), 1))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [
            pool.submit(_run_one, root, *lesson, kernel_name) for lesson in lessons
        ]
        for future in as_completed(futures):
            result = future.result()
            results[result.phase, result.lesson] = result
            on_result(result)
    return [results[lesson] for lesson in lessons]


def _run_one(root: Path, phase: str, lesson: str, kernel_name: str | None) -> RunResult:
    import papermill

    os.environ["ROADMAP_PROGRESS"] = "off"
    started = time.monotonic()
    error = None
    with tempfile.TemporaryDirectory(prefix="roadmap-run-") as folder:
        place = Path(folder, phase)
        shutil.copytree(root / "source" / phase, place)
        notebook = place / f"{lesson}.ipynb"
        try:
            papermill.execute_notebook(
                str(notebook),
                str(notebook),
                cwd=str(place),
                kernel_name=kernel_name,
                progress_bar=False,
            )
        except papermill.PapermillExecutionError as failure:
            error = f"cell {failure.cell_index + 1}: {failure.ename}: {failure.evalue}"
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
    line = error.strip().splitlines()[0] if error else None
    return RunResult(phase, lesson, time.monotonic() - started, line)
