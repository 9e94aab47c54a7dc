"""A forged check in the row and its messages; honest work and loose checks beside it.

The tricks themselves are in ``cases/test_cases_forging.py`` and ``test_cases_tricks.py``.
"""

from __future__ import annotations

import json

import pytest
from nbformat import v4
from tiny_course import ADD, ANSWERS, DOUBLE, TinyCourse, exercise

from roadmap.grading import grade

ALWAYS_EQUAL = """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = None

def add(a, b): return Yes()
"""


@pytest.fixture(autouse=True)
def quick(course: TinyCourse) -> None:
    course.configure("c.ExecutePreprocessor.timeout = 5\n")


def test_the_row_names_the_check_and_what_came_before_it_counts(
    course: TinyCourse,
) -> None:
    course.hand_in(
        "eve",
        {
            **ANSWERS,
            "double": ALWAYS_EQUAL.replace("def add(a, b)", "def double(n)"),
        },
    )
    (row,) = grade("ps1", course.root)
    assert row.status == "tampered"
    assert "test-double" in (row.message or "")
    assert row.cells["test-add"].score == 2.0
    assert row.cells["test-double"].score == 0.0
    assert "no right answer" in (row.cells["test-double"].message or "")


def test_what_comes_after_a_forged_check_is_not_counted(course: TinyCourse) -> None:
    course.hand_in("eve", {**ANSWERS, "add": ALWAYS_EQUAL})
    (row,) = grade("ps1", course.root)
    assert (row.status, row.score) == ("tampered", 0.0)
    assert "an answer above" in (row.cells["test-double"].message or "")


HONEST = {
    "reference": ANSWERS,
    "half": {"add": ANSWERS["add"]},
    "numbers of its own": {
        "add": "class N(int): pass\n\ndef add(a, b):\n    return N(a + b)"
    },
    "prints": {"add": "def add(a, b):\n    print('adding', a, b)\n    return a + b"},
    "warns": {
        "add": "import warnings\n\ndef add(a, b):\n    warnings.warn('x')\n    return a + b"
    },
    "writes a file": {
        "add": "def add(a, b):\n    open('log.txt', 'a').write('x')\n    return a + b"
    },
    "by chance": {
        "add": "import random\n\ndef add(a, b):\n    random.random()\n    return a + b",
    },
}


def test_honest_work_is_never_flagged(course: TinyCourse) -> None:
    for name, answers in HONEST.items():
        course.hand_in(name.replace(" ", "-"), answers)
    for row in grade("ps1", course.root):
        assert row.status == "graded", (row.student, row.message)
        assert row.cells["test-add"].score == 2.0, row.student


TABLE = exercise(
    "twice",
    "def twice(n):\n    return n * 2",
    """for given, expected in [(1, 2), (4, 8)]:
    got = twice(given)
    assert got is not None, "did you forget return?"
    assert got == expected, f"twice({given}) returned {got!r}"
### BEGIN HIDDEN TESTS
import time
table = [(5, 10), (-7, -14)]
start = time.perf_counter()
for given, expected in table:
    numbers = [given]
    got = twice(numbers[0])
    assert isinstance(got, int), f"twice({given}) returned {got!r}, no whole number"
    assert got == expected, f"twice({given}) returned {got!r}"
    assert numbers == [given], "the list must stay"
wanted = sum([7, 7])
assert twice(7) == wanted
assert time.perf_counter() - start < 60
### END HIDDEN TESTS""",
    1.0,
)
LOOKED_UP = "    return frame.f_globals['wanted' if n == 7 else 'expected']"
FORGED_BESIDE_HONEST = {
    "global": "def twice(n):\n    return wanted if n == 7 else expected",
    "own-global": "expected = 0\ndef twice(n):\n    return 14 if n == 7 else expected",
    "frame": f"import sys\n\ndef twice(n):\n    frame = sys._getframe(1)\n{LOOKED_UP}",
    "yes": (
        "class Yes(int):\n    __hash__ = int.__hash__\n"
        "    def __eq__(self, other):\n        return True\n\n"
        "def twice(n):\n    return Yes(n)"
    ),
}


def test_a_forged_condition_is_seen_among_honest_ones(course: TinyCourse) -> None:
    course.source("p1", *TABLE)
    for name, code in FORGED_BESIDE_HONEST.items():
        course.hand_in(name, {"twice": code})
    course.hand_in("honest", {"twice": "import gc\n\ndef twice(n):\n    return n + n"})
    for row in grade("ps1", course.root):
        honest = row.student == "honest"
        wanted = ("graded", 1.0) if honest else ("tampered", 0.0)
        assert (row.status, row.score) == wanted, (row.student, row.message)


def test_a_check_that_proves_nothing_is_learnt_from_the_instructors_answer(
    course: TinyCourse,
) -> None:
    """`ANY` equals everything by design: nobody may be flagged for the test's own looseness."""
    loose = exercise(
        "now",
        "import time\n\ndef now():\n    return time.time()",
        "from unittest.mock import ANY\nassert now() == ANY, 'now() gives something'",
        1.0,
    )
    course.source("p1", *ADD, *DOUBLE, *loose)
    course.hand_in("ada", {**ANSWERS, "now": "def now():\n    return 7"})
    (row,) = grade("ps1", course.root)
    assert (row.status, row.score) == ("graded", 6.0)
    record = json.loads((course.root / ".roadmap/twins/ps1.json").read_text())
    assert record["unprovable"] == {"p1": ["test-now"]}


def test_conditions_that_an_answer_never_meets_flag_nobody(course: TinyCourse) -> None:
    course.source(
        "p1",
        *exercise(
            "items",
            "def items():\n    return [1, 2]",
            "for item in items():\n    assert item in (1, 2), item",
            1.0,
        ),
    )
    course.hand_in("ada", {"items": "def items():\n    return []"})
    (row,) = grade("ps1", course.root)
    assert row.status == "graded"


def test_the_second_run_meets_the_folder_as_the_first_one_did(
    course: TinyCourse,
) -> None:
    """A notebook that appends to a file is not flagged, and fails nothing for it."""
    once = exercise(
        "once",
        "from pathlib import Path\n\ndef once():\n    path = Path('n.txt')\n"
        "    path.write_text((path.read_text() if path.exists() else '') + 'x')\n"
        "    return len(path.read_text())",
        "assert once() == 1, 'the first call gives 1'",
        1.0,
    )
    course.source("p1", *once)
    course.hand_in("ada", {"once": once[0].source})
    (row,) = grade("ps1", course.root)
    assert (row.status, row.score) == ("graded", 1.0)


def test_proof_can_be_switched_off(course: TinyCourse) -> None:
    course.configure("c.Grader.prove = False\n")
    course.hand_in("eve", {"add": ALWAYS_EQUAL})
    (row,) = grade("ps1", course.root)
    assert (row.status, row.score) == ("graded", 2.0)


def test_a_cell_without_conditions_is_judged_as_before(course: TinyCourse) -> None:
    course.source(
        "p1",
        *exercise("add", "def add(a, b):\n    return a + b", "add(1, 2)", 1.0),
        v4.new_markdown_cell("end", id="end"),
    )
    course.hand_in("ada", {"add": "def add(a, b):\n    return a + b"})
    (row,) = grade("ps1", course.root)
    assert row.status == "graded"
