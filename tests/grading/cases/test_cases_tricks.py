"""More ways to a mark that no answer earned: each is seen, or is of no use."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hostile_class import FULL, Case, Graded, only_before, without
from tiny_course import ANSWERS

ADD = ANSWERS["add"]
WRONG = "def add(a, b): return 0\n"
IS_WRONG = "add(1, 2) returned 0"
DROP = """
import ast
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
"""
YES = """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = None
def add(a, b): return Yes()
"""


def forged(name: str, code: str, exercise: str = "add") -> Case:
    """A trick after which no check can be believed."""
    check = f"test-{exercise}"
    says = {"row": check, check: "no right answer"}
    return Case(name, "tampered", only_before(exercise), {exercise: code}, says)


def futile(name: str, code: str, says: str, exercise: str = "add") -> Case:
    """A trick that its check is not impressed by."""
    return Case(
        name, "graded", without(exercise), {exercise: code}, {f"test-{exercise}": says}
    )


# A twin has no comments.
KNOWS_A_TWIN = YES.replace(
    "): return Yes()", "):\n    if 'HIDDEN TESTS' not in In[-1]: {}\n    return Yes()"
)


def seen_through(name: str, reaction: str) -> Case:
    """A trick that knows a twin by its looks, and so does not pass the positive one."""
    code = "import os, time\n" + KNOWS_A_TWIN.format(reaction)
    says = {"row": "not passed again", "test-add": "in another form"}
    return Case(name, "tampered", only_before("add"), {"add": code}, says)


FORGED = [
    seen_through("fails on purpose where a twin is seen", "raise AssertionError"),
    seen_through("dies on purpose where a twin is seen", "os._exit(0)"),
    forged(
        "class that lies about itself",
        """
class Meta(type):
    def __instancecheck__(cls, other): return True
    def __eq__(cls, other): return True
    __hash__ = type.__hash__
class Lie(metaclass=Meta):
    __class__ = int
    def __eq__(self, other): return True
def add(a, b): return Lie()
""",
    ),
    forged(
        "patched builtins",
        """
import builtins, sys
true, kind = builtins.len, builtins.isinstance
def here(): return sys._getframe(2).f_globals is globals()
builtins.len = lambda value: 0 if here() else true(value)
builtins.isinstance = lambda value, wanted: here() or kind(value, wanted)
builtins.all = lambda values: True
"""
        + YES,
    ),
    forged(
        "value shown as another",
        "formatter = get_ipython().display_formatter.formatters['text/plain']\n"
        "formatter.for_type(int, lambda value, printer, cycle: printer.text('0'))\n"
        + YES,
    ),
    forged(
        "pre_run_cell hook",
        DROP + "shell = get_ipython()\n"
        "def hook(info): shell.ast_transformers[:] = [Drop()]\n"
        "shell.events.register('pre_run_cell', hook)",
    ),
    forged(
        "patched ast_parse",
        DROP + "true = get_ipython().compile.ast_parse\n"
        "get_ipython().compile.ast_parse = lambda *a, **k: ast.fix_missing_locations("
        "Drop().visit(true(*a, **k)))",
    ),
    forged(
        "constants overwritten in memory",
        """
import ctypes, sys
def add(a, b):
    constants = sys._getframe(1).f_code.co_consts
    start = id(constants) + tuple.__basicsize__
    for place, value in enumerate(constants):
        if type(value) is int:
            ctypes.py_object.from_address(start + 8 * place).value = 0
    return 0
""",
    ),
    forged(
        "fake module",
        """
import sys, types
fake = types.ModuleType('unittest')
class TestCase:
    def assertEqual(self, *args): pass
fake.TestCase = TestCase
sys.modules['unittest'] = fake
def total(items): return 0
""",
        "total",
    ),
]
FUTILE = [
    futile(
        "trace function that jumps over asserts",
        """
import sys
def jump(frame, event, argument):
    if event == 'line':
        try: frame.f_lineno = max(line for _, _, line in frame.f_code.co_lines() if line)
        except ValueError: pass
    return jump
def add(a, b):
    frame = sys._getframe(1)
    sys.settrace(lambda *args: None)
    frame.f_trace = jump
    return 0
""",
        IS_WRONG,
    ),
    futile(
        "skipped by unittest",
        "import unittest\ndef add(a, b): raise unittest.SkipTest",
        "SkipTest",
    ),
    futile(
        "skipped by pytest",
        "import pytest\ndef add(a, b): pytest.skip('no')",
        "Skipped",
    ),
    futile(
        "stop of an iteration", "def add(a, b): raise StopIteration", "StopIteration"
    ),
    futile(
        "exception group",
        "def add(a, b): raise BaseExceptionGroup('x', [SystemExit()])",
        "BaseExceptionGroup",
    ),
    Case(
        "error output cleared by a hook",
        "graded",
        without("add"),
        {
            "add": "from IPython.display import clear_output\n"
            "get_ipython().events.register('post_run_cell', lambda *a: clear_output())\n"
            + WRONG
        },
        {"test-add": IS_WRONG},
    ),
    Case(
        "error output forged",
        "graded",
        without("add"),
        {
            "add": "def add(a, b):\n"
            "    get_ipython().displayhook(2.0)\n    print('2.0')\n    return 0"
        },
        {"test-add": IS_WRONG},
    ),
    futile("negative points", "parts = -4", "0 to 1 can be earned", "parts"),
    futile(
        "points that are no number",
        "parts = float('nan')",
        "0 to 1 can be earned",
        "parts",
    ),
    futile("endless points", "parts = float('inf')", "0 to 1 can be earned", "parts"),
    futile("answer that is not run", "%%script false\n" + ADD, "NameError"),
    futile(
        "answer that is written to a file", "%%writefile add.py\n" + ADD, "NameError"
    ),
    futile("everything deleted", ADD + "\n%reset -f", "NameError"),
    futile(
        "huge message",
        "def add(a, b): raise ValueError('x' * 10**7)",
        "ValueError: xxx",
    ),
    futile(
        "lone surrogate in a message",
        "def add(a, b): raise ValueError('\\ud800!')",
        "ValueError: ?!",
    ),
    futile(
        "control characters",
        "def add(a, b): raise ValueError('\\x1b[2J\\x00\\x07bell')",
        "bell",
    ),
    futile(
        "clock set",
        "import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)\n" + ADD,
        "NameError",
    ),
    Case(
        "exceptions' own text",
        "graded",
        without("add"),
        {
            "add": "class Quiet(Exception):\n"
            "    def __str__(self): raise RuntimeError\n"
            "def add(a, b): raise Quiet"
        },
        {"test-add": ""},
    ),
]
CASES = [*FORGED, *FUTILE]


@pytest.fixture(scope="module")
def graded(graded_once: Callable[..., Graded]) -> Graded:
    settings = "c.Grader.cell_timeout = 20\nc.Grader.output_limit = 20_000\n"
    return graded_once("tricks", CASES, settings=settings)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_trick(graded: Graded, case: Case) -> None:
    assert graded.faults(case) == []


def test_messages_are_short_and_hold_no_control_characters(graded: Graded) -> None:
    messages = [
        message
        for rows in graded.rows.values()
        for row in rows
        for message in (row["message"], *(c["message"] for c in row["cells"].values()))
        if message
    ]
    assert max(map(len, messages)) < 2100
    wild = [m for m in messages if any(ord(c) < 32 and c not in "\n\t" for c in m)]
    assert wild == []


def test_the_neighbour_has_full_marks(graded: Graded) -> None:
    assert graded.neighbours() == ("graded", FULL)


def test_nothing_else_is_touched_or_left(graded: Graded) -> None:
    assert graded.traces == []
