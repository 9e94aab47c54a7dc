"""A pass needs proof: run a notebook again with the twins of its checks.

In a second run each check that was passed has one of its two twins in its place, as
chance picks, and in a third the other one (see ``twin``). The pass is
proved when the positive twin passes and the negative one fails. Each run has a kernel of
its own, so that no twin can be told by what went before it.
"""

from __future__ import annotations

import ast
import copy
import random
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager
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
    # Those whose positive twin has not passed, whose negative one has not been run.
    left, unseen = set(pairs), set(pairs)

    def run(negative: Mapping[str, bool]) -> None:
        run, ended_well = _run(nb, pairs, negative, cwd, runtime, limits)
        forged.update(name for name in ended_well if negative[name])
        left.difference_update(name for name in ended_well if not negative[name])
        # One that was not reached, since code before it died, has not failed.
        unseen.difference_update(name for name in run if negative[name])

    if pairs:
        negative = {name: chance.random() < 0.5 for name in pairs}
        run(negative)
        run({name: not turned for name, turned in negative.items()})
    for _ in range(TRIES - 1):
        if asked := (left | unseen) - forged:
            run({name: name not in left for name in asked})
    doubted = (left | unseen) - forged
    names = [name for cell in nb.cells if (name := grade_id(cell))]
    return Doubts(
        [name for name in names if name in forged],
        [name for name in names if name in doubted],
    )


def _twins(
    nb: NotebookNode, passed: Mapping[str, float], chance: random.Random
) -> dict[str, Twins]:
    """The twins of the checks that have any, by grade id."""
    rebound = set().union(*map(_rebound, nb.cells))
    made = {
        name: twins(cell.source, chance, passed[name], rebound)
        for cell in nb.cells
        if (name := grade_id(cell)) and name in passed
    }
    return {name: pair for name, pair in made.items() if pair is not None}


def _rebound(cell: NotebookNode) -> set[str]:
    """Global names that functions of a code cell bind when they are called."""
    try:
        text = TransformerManager().transform_cell(cell.source)
        tree = ast.parse(text if cell.cell_type == "code" else "")
    except SyntaxError:
        return set()
    nodes = list(ast.walk(tree))
    declared = {
        name for node in nodes if isinstance(node, ast.Global) for name in node.names
    }
    return declared & {
        node.id
        for node in nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _run(
    nb: NotebookNode,
    pairs: Mapping[str, Twins],
    negative: Mapping[str, bool],
    cwd: Path,
    runtime: Path,
    settings: ExecuteSettings,
) -> tuple[set[str], set[str]]:
    """Run the notebook with one twin of each check in ``negative``.

    Returns:
        Those that were run, and those that passed.
    """
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
    run = {place: name for place, name in places.items() if place in runs}
    passed = {
        name
        for place, name in run.items()
        if _ended_well(second.cells[place], runs[place])
    }
    return set(run.values()), passed


def _ended_well(cell: NotebookNode, run: CellRun) -> bool:
    failed = any(output.output_type == "error" for output in cell.outputs)
    return run.state == "ok" and not failed
