"""Marks that no answer earned: each trick is seen, earns nothing, and costs nobody else.

Most tricks stand in the second answer, ``add``; what comes before it counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import nbformat
import pytest
from hostile_class import FULL, Case, Graded, only_before, without
from nbformat import NotebookNode, v4

TELLS = {"row": "test-add", "test-add": "no right answer"}


def forged(name: str, code: str, **more: dict[str, str]) -> Case:
    """A trick in ``add`` after which no check can be believed."""
    answers = {"add": code}
    return Case(name, "tampered", only_before("add"), answers, TELLS, **more)


def futile(name: str, code: str, says: str) -> Case:
    """A trick in ``add`` that a check is not impressed by."""
    return Case(name, "graded", without("add"), {"add": code}, {"test-add": says})


WRONG = "def add(a, b): return 0\n"
IS_WRONG = "add(1, 2) returned 0"

OBJECTS = [
    forged(
        "always equal",
        """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = None

def add(a, b): return Yes()
""",
    ),
    forged(
        "number subclass",
        """
class Number(int):
    def _yes(self, other): return True
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _yes
    __hash__ = int.__hash__

def add(a, b): return Number(0)
""",
    ),
]

SHELL = [
    futile(
        "silenced showtraceback",
        WRONG
        + "get_ipython().showtraceback = lambda *args, **kwargs: None\n"
        + "type(get_ipython()).showtraceback = lambda *args, **kwargs: None",
        IS_WRONG,
    ),
    futile(
        "set_custom_exc",
        WRONG + "get_ipython().set_custom_exc((Exception,), lambda *args, **kw: None)",
        IS_WRONG,
    ),
    forged(
        "input transformer drops asserts",
        """
import re

def drop(lines):
    return [re.sub(r"^( *)assert .*", r"\\1pass", line) for line in lines]

get_ipython().input_transformers_cleanup.append(drop)
def add(a, b): return 0
""",
    ),
    forged(
        "input transformer empties cells",
        "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'])",
    ),
    forged(
        "AST transformer drops asserts",
        """
import ast

class Drop(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()

get_ipython().ast_transformers.append(Drop())
""",
    ),
    forged(
        "patched compile",
        """
import builtins
true = builtins.compile
def nothing(source, *args, **kwargs): return true("pass", "x", "exec")
get_ipython().compile.__class__.__call__ = nothing
builtins.compile = nothing
""",
    ),
    forged(
        "patched exec",
        "import builtins\nbuiltins.exec = lambda *args, **kwargs: None",
    ),
    forged(
        "patched run_cell",
        """
shell = get_ipython()
true, true_async = shell.run_cell, shell.run_cell_async
async def nothing(code, *args, **kwargs):
    return await true_async("pass", *args, **{**kwargs, "transformed_cell": "pass"})
shell.run_cell_async = nothing
shell.run_cell = lambda code, *args, **kwargs: true("pass", *args, **kwargs)
""",
    ),
    futile(
        "patched AssertionError",
        WRONG
        + """
import builtins
class Quiet(Warning):
    def __init__(self, *args): pass
builtins.AssertionError = AssertionError = Quiet
""",
        IS_WRONG,
    ),
]

PATCHED_PYTEST = Case(
    "patched pytest",
    "tampered",
    only_before("refuse"),
    {
        "refuse": "import contextlib, pytest\n"
        "pytest.raises = lambda *args, **kwargs: contextlib.nullcontext()\n"
        "def refuse(n): return n"
    },
    {"row": "test-refuse", "test-refuse": "no right answer"},
)
PATCHED_UNITTEST = Case(
    "patched unittest",
    "tampered",
    only_before("total"),
    {
        "total": "import unittest\n"
        "unittest.TestCase.assertEqual = lambda *args, **kwargs: None\n"
        "def total(items): return 0"
    },
    {"row": "test-total", "test-total": "no right answer"},
)

KERNEL = [
    forged(
        "forged replies",
        """
kernel = get_ipython().kernel
true = kernel.session.send
def send(stream, msg_or_type, content=None, *args, **kwargs):
    if msg_or_type == "error":
        return None
    if msg_or_type == "execute_reply":
        content = {**content, "status": "ok", "user_expressions": {}, "payload": []}
    return true(stream, msg_or_type, content, *args, **kwargs)
kernel.session.send = send
def add(a, b): return 0
""",
    ),
    forged(
        "forged execution",
        """
kernel = get_ipython().kernel
async def nothing(*args, **kwargs):
    return {"status": "ok", "execution_count": 7, "user_expressions": {}, "payload": []}
kernel.do_execute = nothing
""",
    ),
    futile(
        "sys.exit in an answer",
        "import sys\ndef add(a, b): sys.exit(0)",
        "SystemExit",
    ),
    Case(
        "os._exit in an answer",
        "kernel_died",
        only_before("add"),
        {"add": "import os\ndef add(a, b): os._exit(0)"},
        {"row": "code cell 4", "test-double": "not run: the kernel died"},
    ),
    futile(
        "atexit in an answer",
        WRONG + "import atexit\natexit.register(print, 'all tests passed')",
        IS_WRONG,
    ),
    futile(
        "printed PASSED",
        "def add(a, b):\n    print('PASSED 2/2 points')\n    return 0",
        IS_WRONG,
    ),
    Case(
        "number above the maximum",
        "graded",
        without("parts"),
        {"parts": "parts = 400"},
        {"test-parts": "0 to 1 can be earned"},
    ),
]

THEFT = [
    forged(
        "read from the frame's code",
        """
import dis, sys

def add(a, b):
    frame = sys._getframe(1)
    after = [i for i in dis.get_instructions(frame.f_code) if i.offset > frame.f_lasti]
    return next(i.argval for i in after if i.opname == "LOAD_CONST")
""",
    ),
    *[
        forged(
            f"read from {name}",
            f"""
import ast, gc, linecache, sys

def add(a, b):
    frame = sys._getframe(1)
    for text in {texts}:
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Compare) or "add(" not in ast.unparse(node):
                continue
            if node.lineno <= frame.f_lineno <= node.end_lineno:
                return ast.literal_eval(node.comparators[0])
""",
        )
        for name, texts in {
            "In": "In[-1:]",
            "gc": "[o.raw_cell for o in gc.get_objects() if type(o).__name__ == 'ExecutionInfo']",
            "linecache": "[''.join(linecache.getlines(frame.f_code.co_filename))]",
        }.items()
    ],
]


DEATHS = [
    Case(
        f"{name} instead of a no",
        "tampered",
        only_before("double"),
        {
            "add": "import os\n\nclass Strict(int):\n    def __eq__(self, other):\n"
            f"        while int(self) != other:\n            {end}\n"
            "        return True\n\ndef add(a, b): return Strict(a + b)",
            "double": "class Yes:\n    def __eq__(self, other): return True\n\n"
            "def double(n): return Yes()",
        },
        {"row": "test-double", "test-double": "no right answer"},
    )
    for name, end in {"death": "os._exit(0)", "silence": "pass"}.items()
]

NEAR = "def near(x): return x + 0.25 if x == 1 else 7.0\n"


def unearned(
    name: str, exercise: str, code: str, says: str = "no right answer"
) -> Case:
    """A trick after which the points of ``exercise`` cannot be believed."""
    return Case(
        name,
        "tampered",
        only_before(exercise),
        {exercise: code},
        {"row": f"test-{exercise}", f"test-{exercise}": says},
    )


POINTS = [
    unearned(
        "number that is near to all",
        "near",
        """
class Near(float):
    def __sub__(self, other): return 0.0

def near(x): return Near(7)
""",
    ),
    unearned(
        "points by the expected value, read from the frame",
        "near",
        "import sys\ndef near(x): return sys._getframe(1).f_globals['expected']",
    ),
    unearned("patched abs", "near", NEAR + "abs = lambda x: 0"),
    *[
        unearned(
            f"points that are only shown, of {exercise}",
            exercise,
            wrong
            + f"""
formatter = get_ipython().display_formatter
true = formatter.format
def format(value, *args, **kwargs):
    return ({{"text/plain": "{shown}"}}, {{}}) if value in (0.25, 1) else true(value)
formatter.format = format
""",
            "the check was passed, and then not again",
        )
        for exercise, wrong, shown in [
            ("parts", "parts = 1", "1.0"),
            ("near", NEAR, "2"),
        ]
    ],
    Case(
        "half of the points, by code that could forge",
        "graded",
        {**FULL, "test-near": 1.0},
        {"near": "import gc\n" + NEAR},
        {"test-near": "partial credit: 1 of 2"},
    ),
]


def at(nb: NotebookNode, name: str) -> int:
    ids = [item.metadata.get("nbgrader", {}).get("grade_id") for item in nb.cells]
    return ids.index(name)


def edit(nb: NotebookNode) -> None:
    nb.cells[at(nb, "test-double")].source = "pass"


def delete(nb: NotebookNode) -> None:
    del nb.cells[at(nb, "test-double")]


def duplicate(nb: NotebookNode) -> None:
    copy = nbformat.from_dict(json.loads(json.dumps(nb.cells[at(nb, "test-double")])))
    copy.source = "pass"
    nb.cells.insert(at(nb, "test-double"), copy)
    nb.cells.append(nbformat.from_dict(json.loads(json.dumps(copy))))


def retype(nb: NotebookNode) -> None:
    place = at(nb, "test-double")
    old = nb.cells[place]
    nb.cells[place] = v4.new_markdown_cell(old.source, id=old.id, metadata=old.metadata)


def make_an_answer(nb: NotebookNode) -> None:
    meta = nb.cells[at(nb, "test-double")].metadata.nbgrader
    meta.update(grade=False, solution=True, locked=False)
    nb.cells[at(nb, "test-double")].source = "pass"


def change_points(nb: NotebookNode) -> None:
    nb.cells[at(nb, "test-double")].metadata.nbgrader.points = 0
    nb.cells[at(nb, "test-last")].metadata.nbgrader.points = 400


def change_kernelspec(nb: NotebookNode) -> None:
    nb.metadata.kernelspec = {"name": "bash", "display_name": "x", "language": "bash"}


def change_schema(nb: NotebookNode) -> None:
    for cell in nb.cells:
        cell.metadata.nbgrader.schema_version = 99


def meddled(name: str, change: Callable[[NotebookNode], None]) -> Case:
    """A wrong ``double``, and its check meddled with: it fails as it would have."""
    return Case(
        name,
        "graded",
        without("double"),
        {"double": "def double(n): return 7"},
        {"test-double": "no"},
        change,
    )


MEDDLED = [
    meddled("edited test cell", edit),
    meddled("deleted test cell", delete),
    meddled("duplicated test cell", duplicate),
    meddled("retyped test cell", retype),
    meddled("test cell made an answer", make_an_answer),
    meddled("changed points", change_points),
    meddled("changed kernelspec", change_kernelspec),
    meddled("changed schema", change_schema),
]

CASES = [
    *OBJECTS, *SHELL, PATCHED_PYTEST, PATCHED_UNITTEST, *KERNEL, *THEFT, *DEATHS, *POINTS, *MEDDLED
]  # fmt: skip


@pytest.fixture(scope="module")
def graded(graded_once: Callable[..., Graded]) -> Graded:
    return graded_once("forging", CASES, settings="c.Grader.cell_timeout = 10\n")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forging(graded: Graded, case: Case) -> None:
    assert graded.faults(case) == []


def test_the_neighbour_has_full_marks(graded: Graded) -> None:
    assert graded.neighbours() == ("graded", FULL)


def test_nothing_else_is_touched_or_left(graded: Graded) -> None:
    assert graded.traces == []
