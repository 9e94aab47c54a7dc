"""A pass needs proof: run a notebook again with negative twins and see who still passes."""

from __future__ import annotations

import copy
import random
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from nbformat import NotebookNode

from roadmap.grading.kernel import CellRun, ExecuteSettings, execute
from roadmap.grading.master import grade_id
from roadmap.grading.twin import negative_twin

# Seconds that the second run may take beyond three times the first.
GRACE = 10.0


def forged_cells(
    nb: NotebookNode,
    passed: Collection[str],
    cwd: Path,
    runtime: Path,
    settings: ExecuteSettings,
    seconds: float,
) -> list[str]:
    """Grade ids of ``passed`` whose negative twin passes too, in notebook order.

    ``nb`` is the notebook as it was before its first run, which took ``seconds``;
    ``cwd`` a folder as it was then. The kernel is a new one, and nothing in it
    tells the submission that this is the second run.
    """
    chance = random.Random(random.SystemRandom().getrandbits(64))  # noqa: S311  # seeded well
    second = copy.deepcopy(nb)
    twins: dict[int, str] = {}
    for index, cell in enumerate(second.cells):
        name = grade_id(cell)
        if name is None or name not in passed:
            continue
        twin = negative_twin(cell.source, chance)
        if twin is not None:
            cell.source, twins[index] = twin, name
    if not twins:
        return []
    del second.cells[max(twins) + 1 :]
    runs: dict[int, CellRun] = {}
    limit = min(settings.notebook_timeout, 3 * seconds + GRACE)
    limits = replace(settings, notebook_timeout=limit)
    execute(second, cwd, runtime, limits, runs.__setitem__)
    return [
        name
        for index, name in twins.items()
        if index in runs and _passed(second.cells[index], runs[index])
    ]


def _passed(cell: NotebookNode, run: CellRun) -> bool:
    """Whether a twin came to its end although it met conditions that do not hold."""
    if run.state != "ok" or any(
        output.output_type == "error" for output in cell.outputs
    ):
        return False
    counts = [
        output.data.get("text/plain")
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]
    return counts != ["0"]  # no count at all: something ate the cell's value
