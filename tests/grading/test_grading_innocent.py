"""Code that cannot forge a pass is known by its form; all other is run twice."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from types import CodeType, FrameType, ModuleType

import pytest
from nbformat import NotebookNode, v4
from tiny_course import notebook

from roadmap.grading.master import MasterNotebook
from roadmap.grading.proof import innocent
from roadmap.grading.proof.innocent import cannot_forge, vocabulary

GIVEN = """%load_ext roadmap
import logging
import os
import sys
from collections import namedtuple
from decimal import Decimal

shop = {}
Book = namedtuple("Book", "title, cents")
folder = os.getcwd()
def run(program):
    os.system(program)
def run_all(programs):
    for program in programs:
        run(program)
def closed(day):
    return day in shop
class Sale:
    pass
def assert_price(got, wanted):
    assert got == wanted
"""
STUB = "sold = 0\nraise NotImplementedError()"
CHECK = """import ctypes
for given, expected in [(1, 2)]:
    local = (lambda given: given)(expected)
    assert f(given) == expected
assert_price(f(3), 6)
def right(given):
    global total, sold
    sold = 0
    inner = total = given + 1
    return inner
"""


def judged(answer: str, folder: Path, *more: NotebookNode) -> bool:
    """Whether ``answer``, in the place of the stub, is read as innocent."""
    cells = [v4.new_code_cell(GIVEN), v4.new_code_cell(answer)]
    check = v4.new_code_cell(CHECK)
    check.metadata.nbgrader = {"grade": True, "solution": False, "grade_id": "t"}
    words = vocabulary([GIVEN, STUB], [STUB], [check.source])
    master = MasterNotebook("p1", {}, (), (GIVEN, STUB), words)
    return cannot_forge(notebook(*cells, check, *more), master, folder)


INNOCENT = {
    "a function": "def f(x):\n    return x + 1",
    "allowed imports": "import math\nfrom collections import Counter\nf = math.floor",
    "what the author imported": "price = Decimal('1.5').quantize(Decimal(1))",
    "a loop with a throw-away name": "for _ in range(3):\n    print(_)",
    "a comprehension": "f = [word.strip().casefold() for word in 'a b'.split()]",
    "an error of one kind": "try:\n    int('x')\nexcept (KeyError, ValueError) as e:\n    f = e",
    "a pattern": "match shop:\n    case {'a': int(), **f} | [f, *_]:\n        pass",
    "asking for the type": "f = type(3).__name__ if type(3) is int else None",
    "nothing": STUB,
    "a generator": "def f(n):\n    yield from range(n)",
    "one line that calls": "print(shop)",
    "the author's named tuple": "def f(books):\n    return [book.cents for book in books]",
    "a named tuple": "f = namedtuple('F', ['title', 'pages'])",
    "a named tuple, imported": (
        "from collections import namedtuple\nf = namedtuple('F', 'x')"
    ),
    "errors": "class Shop(Exception):\n    'Closed.'\nclass Late(Shop, KeyError):\n    pass",
    "catching errors of one's own": (
        "class E(Exception):\n    pass\ntry:\n    raise E\nexcept E:\n    pass"
    ),
    "a function of the author's": "f = closed('Sunday')",
    "a log": "log = logging.getLogger('x')\nlog.warning('%s', 3)",
    "facts of the interpreter": "f = 'os' in sys.stdlib_module_names",
    "a name of a check's for something local": (
        "def f(expected):\n    local = expected\n    return local"
    ),
    "a name of the answer's that a check binds": "def f(given):\n    return sold",
    "the type's name": "print(type(shop))\nf = type(3).__name__",
    "a finally that tidies up": "try:\n    f = 1\nfinally:\n    print(shop)",
    "its own name": "def f(given):\n    return __name__ == '__main__'",
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
    "what a check expects": "def f(given):\n    return expected",
    "what a check expects, under a name of one's own": (
        "expected = 0\ndef f(given):\n    return expected"
    ),
    "what a check expects, declared": "def f(given):\n    global expected\n    return expected",
    "what a check's function leaves behind": "def f(given):\n    return total",
    "a check's function": "def f(given):\n    return right(given)",
    "a class with a method": (
        "class F(Exception):\n    def startswith(self, text):\n        return True"
    ),
    "a class with a value": "class F(Exception):\n    x = 1",
    "a class with a metaclass": "class F(Exception, metaclass=print):\n    pass",
    "a class without a base": "class F:\n    pass",
    "a class of a type": "class F(int):\n    pass",
    "a decorated class": "@print\nclass F(Exception):\n    pass",
    "catching errors that are others by now": (
        "class E(Exception):\n    pass\nE = AssertionError\ntry:\n    f = 1\nexcept E:\n    f = 2"
    ),
    "a named tuple with a method": "f = namedtuple('F', ['startswith'])(print)",
    "a named tuple of what is worked out": "f = namedtuple('F', 'starts' + 'with')",
    "a named tuple of a name": "fields = 'x'\nf = namedtuple('F', fields)",
    "a named tuple with options": "f = namedtuple('F', 'x', module='y')",
    "named tuples under another name": "make = namedtuple\nf = make('F', 'startswith')",
    "named tuples imported under another name": "from collections import namedtuple as f",
    "named tuples of elsewhere": "from os import namedtuple",
    "a function of the author's that could do anything": "f = run('ls')",
    "a function that uses one": "run_all(['ls'])",
    "a value of unknown kind": "f = folder",
    "a class of the author's": "f = Sale",
    "what makes types": "Any = type(int)('Any', (int,), {'__eq__': lambda a, b: True})",
    "what makes types, under a name": "kind = type(3)\nf = type(kind)",
    "a magic with a note": "run: 0",
    "a magic with a sum": "run += 0",
    "a shell command in a note": "system: 'ls'",
    "a function of the author's, by a parameter's name": (
        "def g(run):\n    pass\nf = run('ls')"
    ),
    "a module of the author's, by a local import's name": (
        "def g():\n    import json as os\nf = os.dumps(1)"
    ),
    "a check's helper in another form": "def assert_price(got, wanted):\n    pass",
    "a finally that ends an error": (
        "def f(call):\n    try:\n        call(0)\n    finally:\n        return 7"
    ),
    "a module as a value": "import math\nf = math",
    "a module's module": "f = logging.os",
    "a changed module": "sys.maxsize = 3",
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


PROGRAM = "%%writefile {folder}/shop.py\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (PROGRAM + "def total(prices):\n    return sum(prices)", True),
        (PROGRAM + "import gc", False),
        ("%%writefile {folder}/random.py\nx = 1", False),
        ("%%bash\nls", False),
    ],
)
def test_a_program_is_read_if_the_author_has_named_its_file(
    answer: str, expected: bool, tmp_path: Path
) -> None:
    meta = {"grade": False, "solution": True, "grade_id": "a", "locked": False}
    stub = v4.new_code_cell(PROGRAM + STUB, metadata={"nbgrader": meta})
    cell = v4.new_code_cell(answer, metadata={"nbgrader": meta})
    master = MasterNotebook("p1", {}, (stub,), (stub.source,))
    assert cannot_forge(notebook(cell), master, tmp_path) is expected


def test_attributes_lead_to_no_module_and_no_frame() -> None:
    """From whatever an allowed import gives, along all attributes that may be read."""
    left: list[object] = [
        getattr(importlib.import_module(module), name)
        for module, names in innocent._MODULES.items()
        for name in names
        if hasattr(importlib.import_module(module), name)
    ]
    left += [
        *innocent._VALUES,
        (x for x in ()),
        test_attributes_lead_to_no_module_and_no_frame,
    ]
    left += [logging.getLogger(), ValueError().with_traceback(None)]
    seen: set[int] = set()
    kept = []  # so that no number is given twice
    while left:
        value = left.pop()
        if id(value) in seen or len(seen) > 20_000:
            continue
        seen.add(id(value))
        kept.append(value)
        assert not isinstance(value, (ModuleType, FrameType, CodeType)), value
        left += [
            getattr(value, name)
            for name in innocent._ATTRIBUTES
            if hasattr(value, name)
        ]
    assert len(seen) > 500
