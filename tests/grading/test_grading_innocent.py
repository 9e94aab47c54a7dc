"""Code that cannot forge a pass is known by its form; all other is run twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbformat import NotebookNode, v4
from tiny_course import notebook

from roadmap.grading.innocent import cannot_forge, usable_names
from roadmap.grading.master import MasterNotebook

GIVEN = "%load_ext roadmap\nimport sys\nfrom decimal import Decimal\nshop = {}"
STUB = "raise NotImplementedError()"


def judged(answer: str, folder: Path, *more: NotebookNode) -> bool:
    """Whether ``answer``, in the place of the stub, is read as innocent."""
    cells = [v4.new_code_cell(GIVEN), v4.new_code_cell(answer)]
    check = v4.new_code_cell("import ctypes\nassert f(1) == 2")
    check.metadata.nbgrader = {"grade": True, "solution": False, "grade_id": "t"}
    names = usable_names([GIVEN, STUB, check.source])
    master = MasterNotebook("p1", {}, (), (GIVEN, STUB), tuple(names))
    return cannot_forge(notebook(*cells, check, *more), master, folder)


INNOCENT = {
    "a function": "def f(x):\n    return x + 1",
    "allowed imports": "import math\nfrom collections import Counter\nf = math.floor",
    "what the author imported": "total = Decimal('1.5').quantize(Decimal(1))",
    "a loop with a throw-away name": "for _ in range(3):\n    print(_)",
    "a comprehension": "f = [word.strip().casefold() for word in 'a b'.split()]",
    "an error of one kind": "try:\n    int('x')\nexcept (KeyError, ValueError) as e:\n    f = e",
    "a pattern": "match shop:\n    case {'a': int(), **f} | [f, *_]:\n        pass",
    "asking for the type": "f = type(3).__name__ if type(3) is int else None",
    "nothing": STUB,
    "a generator": "def f(n):\n    yield from range(n)",
    "one line that calls": "print(shop)",
}
NOT_INNOCENT = {
    "a class": "class Any:\n    def __eq__(self, other):\n        return True",
    "a class made by a call": "Any = type('Any', (), {'__eq__': lambda a, b: True})",
    "type under another name": "make = type\nAny = make('Any', (), {})",
    "type with a star": "Any = type(*parts)",
    "a magic": "%xmode Plain",
    "a magic without its sign": "reset -f",
    "a shell command": "!ls",
    "no Python": "def f(:",
    "the shell": "get_ipython().showtraceback = print",
    "frames by a module of the author's": "f = sys._getframe",
    "a module of the author's": "f = sys.settrace",
    "a module of a check's": "f = ctypes.string_at",
    "an import that is not in the list": "import gc",
    "a name that is not in the list": "from decimal import getcontext",
    "a module through another": "from statistics import sys",
    "all names of a module": "from math import *",
    "a relative import": "from . import x",
    "a rebound builtin": "isinstance = lambda *args: True",
    "a builtin as parameter": "def f(len):\n    return 1",
    "a builtin as loop name": "for abs in []:\n    pass",
    "a builtin caught": "try:\n    pass\nexcept ValueError as AssertionError:\n    pass",
    "a builtin in a pattern": "match 3:\n    case len:\n        pass",
    "a deleted builtin": "del print",
    "a declared builtin": "def f():\n    global AssertionError\n    AssertionError = ValueError",
    "an imported name over a builtin": "from math import floor as abs",
    "eval": "f = eval('1')",
    "open": "open('x', 'w')",
    "getattr": "f = getattr(shop, 'x')",
    "globals": "f = globals()",
    "a stored attribute": "shop.get = None",
    "an underscored attribute": "f = shop.__class__",
    "a generator's frame": "f = (x for x in []).gi_frame",
    "str.format, which reads attributes": "f = '{0.__globals__}'.format(print)",
    "a decorator": "@print\ndef f():\n    pass",
    "an except clause for all": "try:\n    pass\nexcept:\n    pass",
    "an except clause for exceptions": "try:\n    pass\nexcept Exception:\n    pass",
    "an except clause for more": "try:\n    f = 1\nexcept (KeyError, AssertionError):\n    f = 1",
    "an except clause by a name": "E = ValueError\ntry:\n    pass\nexcept E:\n    pass",
    "a with statement": "with shop:\n    pass",
    "an async function": "async def f():\n    pass",
    "the outputs of cells": "f = Out[1]",
    "the last output": "f = __",
    "an ending": "raise SystemExit",
}


@pytest.mark.parametrize("answer", INNOCENT.values(), ids=INNOCENT)
def test_ordinary_code_is_read_as_innocent(answer: str, tmp_path: Path) -> None:
    assert judged(answer, tmp_path)


@pytest.mark.parametrize("answer", NOT_INNOCENT.values(), ids=NOT_INNOCENT)
def test_code_that_could_forge_is_not(answer: str, tmp_path: Path) -> None:
    assert not judged(answer, tmp_path)


def test_cells_of_ones_own_are_read_too(tmp_path: Path) -> None:
    assert judged("f = 1", tmp_path, v4.new_code_cell("g = 2"))
    assert not judged("f = 1", tmp_path, v4.new_code_cell("import gc"))


def test_released_code_is_the_authors_once(tmp_path: Path) -> None:
    assert not judged("f = 1", tmp_path, v4.new_code_cell(GIVEN))


def test_a_module_beside_the_notebook_could_be_what_is_imported(tmp_path: Path) -> None:
    (tmp_path / "books.csv").write_text("Emma")
    assert judged("import math", tmp_path)
    (tmp_path / "math").mkdir()
    (tmp_path / "math" / "__init__.py").write_text("pi = 3")
    assert not judged("import math", tmp_path)


def test_deep_nesting_is_not_read_to_the_end(tmp_path: Path) -> None:
    assert not judged("f = " + "-" * 100_000 + "1", tmp_path)
    assert not judged("f = " + "(" * 5_000 + ")" * 5_000, tmp_path)
