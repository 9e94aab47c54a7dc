"""An answer that does not end costs its own check, or what comes after it if it must be killed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hostile_class import FULL, Case, Graded, only_before, without
from tiny_course import ANSWERS

SETTINGS = "c.Grader.cell_timeout = 5\nc.Grader.output_limit = 20_000\n"
ADD = ANSWERS["add"]
# Code cell 3 is the answer ``add``, 4 its check.
STUBBORN = """
import time
while True:
    try:
        while True: time.sleep(1)
    except BaseException: pass
"""
REPR = "class R:\n    def __repr__(self):\n        {}\n    __str__ = __repr__\n"
CASES = [
    Case(
        "loop that swallows KeyboardInterrupt",
        "timeout",
        only_before("add"),
        {"add": STUBBORN},
        {"row": "code cell 3", "test-add": "not run", "test-last": "not run"},
    ),
    Case(
        "sleeping for ever",
        "timeout",
        without("add"),
        {"add": "import time\ntime.sleep(10**9)\n" + ADD},
        {"row": "code cell 3", "test-add": "NameError"},
    ),
    Case(
        "loop in a function",
        "timeout",
        without("add"),
        {"add": "def add(a, b):\n    while True: pass"},
        {"row": "code cell 4", "test-add": "ran too long"},
    ),
    Case(
        "huge ints",
        "timeout",
        without("add"),
        {"add": "def add(a, b): return 7 ** (7 ** 11)"},
        {"row": "code cell 4"},
    ),
    Case(
        "repr that never ends",
        "timeout",
        without("add"),
        {"add": REPR.format("while True: pass") + "def add(a, b): return R()\nR()"},
        {"row": "code cell 3, code cell 4", "test-add": "ran too long"},
    ),
    Case(
        "a million displays",
        "timeout",
        without("add"),
        {
            "add": "from IPython.display import display\n"
            "for number in range(10**7): display(number)"
        },
        {"row": "code cell 3"},
    ),
    Case(
        "process that stops itself",
        "timeout",
        only_before("add"),
        {"add": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"},
        {"row": "code cell 3"},
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def graded(graded_once: Callable[..., Graded]) -> Graded:
    return graded_once("endless", CASES, settings=SETTINGS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_endless_answer(graded: Graded, case: Case) -> None:
    assert graded.faults(case) == []


def test_what_is_kept_of_a_million_displays_is_short(graded: Graded) -> None:
    case = next(case for case in CASES if case.name == "a million displays")
    assert len(graded.notebook(case)) < 80_000


def test_the_neighbour_has_full_marks(graded: Graded) -> None:
    assert graded.neighbours() == ("graded", FULL)


def test_nothing_else_is_touched_or_left(graded: Graded) -> None:
    assert graded.traces == []
