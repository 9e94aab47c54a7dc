"""A pass needs proof: run a notebook again with the twins of its checks.

In a second run each check that was passed has one of its two twins in its place, as
chance picks, and in a third the other one (see ``twin``). The pass is
proved when the positive twin passes and the negative one fails. Each run has a kernel of
its own, so that no twin can be told by what went before it.
"""

from __future__ import annotations

import copy
import random
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from nbformat import NotebookNode

from roadmap.grading.kernel import CellRun, execute
from roadmap.grading.kernels import ExecuteSettings
from roadmap.grading.master import grade_id
from roadmap.grading.proof.twin import Twins, twins

# Seconds that a run with twins may take beyond three times the first.
GRACE = 10.0
# How often a check may fail its positive twin before its pass is not believed: what
# honest work does can hang on chance, or on how busy the machine is.
TRIES = 3


@dataclass
class Doubts:
    """Checks whose passes are not believed, by grade id, in notebook order.

    ``forged`` passed whatever they compared; ``unproved`` were not passed again.
    """

    forged: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)


def doubts(
    nb: NotebookNode,
    passed: Mapping[str, float],
    cwd: Path,
    runtime: Path,
    settings: ExecuteSettings,
    seconds: float,
) -> Doubts:
    """Which of the checks ``passed``, with the points they gave, were passed unduly.

    ``nb`` is the notebook as it was before its first run, which took ``seconds``;
    ``cwd`` a folder as it was then. The kernels are new ones, and nothing in them
    tells the submission which run it is in.
    """
    limit = min(settings.notebook_timeout, 3 * seconds + GRACE)
    limits = replace(settings, notebook_timeout=limit)
    chance = random.Random(random.SystemRandom().getrandbits(64))  # noqa: S311  # seeded well
    pairs = _twins(nb, passed, chance)
    forged: set[str] = set()
    left = set(pairs)

    def run(negative: Mapping[str, bool]) -> None:
        ended_well = _run(nb, pairs, negative, cwd, runtime, limits)
        forged.update(name for name in ended_well if negative[name])
        left.difference_update(name for name in ended_well if not negative[name])

    if pairs:
        negative = {name: chance.random() < 0.5 for name in pairs}
        run(negative)
        run({name: not turned for name, turned in negative.items()})
    for _ in range(TRIES - 1):
        left -= forged
        if left:
            run(dict.fromkeys(left, False))
    names = [name for cell in nb.cells if (name := grade_id(cell))]
    return Doubts(
        [name for name in names if name in forged],
        [name for name in names if name in left - forged],
    )


def _twins(
    nb: NotebookNode, passed: Mapping[str, float], chance: random.Random
) -> dict[str, Twins]:
    """The twins of the checks that have any, by grade id."""
    made = {
        name: twins(cell.source, chance, passed[name])
        for cell in nb.cells
        if (name := grade_id(cell)) and name in passed
    }
    return {name: pair for name, pair in made.items() if pair is not None}


def _run(
    nb: NotebookNode,
    pairs: Mapping[str, Twins],
    negative: Mapping[str, bool],
    cwd: Path,
    runtime: Path,
    settings: ExecuteSettings,
) -> set[str]:
    """Run the notebook with one twin of each check in ``negative``; those that pass."""
    second = copy.deepcopy(nb)
    places: dict[int, str] = {}
    for place, cell in enumerate(second.cells):
        name = grade_id(cell)
        if name is not None and name in negative:
            places[place] = name
            pair = pairs[name]
            cell.source = pair.negative if negative[name] else pair.positive
    del second.cells[max(places) + 1 :]
    runs: dict[int, CellRun] = {}
    # Each run has the folder as it was: what a notebook writes must not reach the next.
    with tempfile.TemporaryDirectory(dir=cwd.parent) as folder:
        fresh = Path(folder, cwd.name)
        shutil.copytree(cwd, fresh, symlinks=True)
        execute(second, fresh, runtime, settings, runs.__setitem__)
    return {
        name
        for place, name in places.items()
        if place in runs and _ended_well(second.cells[place], runs[place])
    }


def _ended_well(cell: NotebookNode, run: CellRun) -> bool:
    failed = any(output.output_type == "error" for output in cell.outputs)
    return run.state == "ok" and not failed
