"""A pass needs proof: run a notebook again with the twins of its checks.

In the second run each check that was passed is followed by its two twins instead, in
an order that chance picks (see :mod:`roadmap.grading.twin`). The pass is proved when
the positive twin passes and the negative one fails.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from nbformat import NotebookNode, v4

from roadmap.grading.kernel import CellRun, ExecuteSettings, execute
from roadmap.grading.master import grade_id
from roadmap.grading.twin import twins

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
    passed: Collection[str],
    cwd: Path,
    runtime: Path,
    settings: ExecuteSettings,
    seconds: float,
) -> Doubts:
    """Which of the checks ``passed`` were passed unduly.

    ``nb`` is the notebook as it was before its first run, which took ``seconds``;
    ``cwd`` a folder as it was then. The kernels are new ones, and nothing in them
    tells the submission which run it is in.
    """
    limit = min(settings.notebook_timeout, 3 * seconds + GRACE)
    limits = replace(settings, notebook_timeout=limit)
    forged: set[str] = set()
    left = set(passed)
    for _ in range(TRIES):
        second = _Second(nb, left)
        if not second.twins:
            left.clear()
            break
        left = second.checks
        execute(second.nb, cwd, runtime, limits, second.ran.__setitem__)
        forged |= second.passed(negative=True)
        left -= second.passed(negative=False)
        if not left:
            break
    names = [name for cell in nb.cells if (name := grade_id(cell))]
    return Doubts(
        [name for name in names if name in forged],
        [name for name in names if name in left - forged],
    )


class _Second:
    """The notebook with twins in place of some checks, and how their cells ended."""

    def __init__(self, nb: NotebookNode, wanted: Collection[str]) -> None:
        chance = random.Random(random.SystemRandom().getrandbits(64))  # noqa: S311  # seeded well
        self.ran: dict[int, CellRun] = {}
        # The places of the twins, with the check's grade id and whether it is negative.
        self.twins: dict[int, tuple[str, bool]] = {}
        cells: list[NotebookNode] = []
        for cell in copy.deepcopy(nb.cells):
            name = grade_id(cell)
            pair = twins(cell.source, chance) if name in wanted else None
            if pair is None or name is None:
                cells.append(cell)
                continue
            for negative in chance.sample((False, True), 2):
                self.twins[len(cells)] = (name, negative)
                twin = copy.deepcopy(cell)
                twin.source = pair.negative if negative else pair.positive
                cells.append(twin)
        del cells[max(self.twins, default=-1) + 1 :]
        self.nb = v4.new_notebook(metadata=nb.metadata)
        self.nb.cells = cells

    @property
    def checks(self) -> set[str]:
        """The checks that have twins here."""
        return {name for name, _ in self.twins.values()}

    def passed(self, negative: bool) -> set[str]:
        """Checks whose negative, or positive, twin came to its end without an error."""
        return {
            name
            for place, (name, is_negative) in self.twins.items()
            if is_negative == negative and self._ended_well(place)
        }

    def _ended_well(self, place: int) -> bool:
        run, outputs = self.ran.get(place), self.nb.cells[place].outputs
        failed = any(output.output_type == "error" for output in outputs)
        return run is not None and run.state == "ok" and not failed
