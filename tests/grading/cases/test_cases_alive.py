"""Whatever an answer does to live for ever or to take all down with it, the class goes on.

The cell that did it is named, what was earned before counts, and nothing stays behind.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hostile_class import FULL, Case, Graded, only_before, without
from tiny_course import ANSWERS

SETTINGS = (
    "c.Grader.cell_timeout = 60\n"
    "c.Grader.memory_limit = 300 * 2**20\n"
    "c.Grader.output_limit = 20_000\n"
    "c.SandboxProvisioner.disk_limit = 20 * 2**20\n"
    "c.SandboxProvisioner.process_limit = 64\n"
)
ADD = ANSWERS["add"]
# Code cell 3 is the answer ``add``, 4 its check.
BOMB = "held = []\nwhile True: held.append(bytearray(10_000_000))"
FORK = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
THREADS = (
    "import threading, time\n"
    "for _ in range(5000):\n"
    "    try: threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
    "    except RuntimeError: time.sleep(0.001)"
)
DAEMON = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execvp('sleep', ['sleep', '4712.5'])
    os._exit(0)
"""
REPR = "class R:\n    def __repr__(self):\n        {}\n    __str__ = __repr__\n"
CASES = [
    Case(
        "recursion",
        "graded",
        without("add"),
        {"add": "def add(a, b): return add(a, b)"},
        {"test-add": "RecursionError"},
    ),
    Case(
        "recursion on the C stack",
        "kernel_died",
        only_before("add"),
        {
            "add": "import sys\nsys.setrecursionlimit(10**9)\n"
            "class Deep:\n    def __getattr__(self, name): return getattr(self, name)\n"
            "def add(a, b): return Deep().deep"
        },
        {"row": "code cell 4"},
    ),
    Case(
        "int too long to print",
        "graded",
        without("add"),
        {"add": "10 ** 10**5\ndef add(a, b): return 10 ** 10**5"},
        {"test-add": "ValueError"},
    ),
    Case(
        "repr that raises",
        "graded",
        without("add"),
        {"add": REPR.format("raise SystemExit") + "def add(a, b): return R()\nR()"},
        {"test-add": "SystemExit"},
    ),
    Case(
        "repr of a megabyte",
        "graded",
        without("add"),
        {
            "add": REPR.format("return 'x' * 10**6")
            + "def add(a, b): return R()\nR()"
        },
        {"test-add": "xxx"},
    ),
    Case(
        "segfault",
        "kernel_died",
        only_before("add"),
        {"add": "import ctypes\ndef add(a, b): ctypes.string_at(0)"},
        {"row": "code cell 4", "test-last": "not run"},
    ),
    Case(
        "parent and group killed",
        "kernel_died",
        only_before("add"),
        {
            "add": "import os\n"
            "for kill in (os.kill, os.killpg):\n"
            "    for pid in (1, os.getppid(), -1, 0):\n"
            "        try: kill(pid, 9)\n"
            "        except OSError: pass\n"
        },
        {"row": "code cell 3"},
    ),
    Case(
        "memory bomb",
        "out_of_memory",
        only_before("add"),
        {"add": BOMB},
        {"row": "300 MiB of memory"},
    ),
    Case("fork bomb", "kernel_died", only_before("add"), {"add": FORK}, {"row": "code cell 3"}),
    Case(
        "threads by the thousand",
        "kernel_died",
        only_before("add"),
        {"add": THREADS},
        {"row": "code cell 3"},
    ),
    Case("output flood", "graded", FULL, {"add": "print('x' * 10**7)\n" + ADD}),
    Case(
        "disk fill",
        "graded",
        FULL,
        {
            "add": "try:\n    open('big', 'wb').write(bytes(10**9))\n"
            "except OSError as error: print(error)\n" + ADD
        },
    ),
    Case("daemon left behind", "graded", FULL, {"add": DAEMON + ADD}),
    Case(
        "input",
        "graded",
        without("add"),
        {"add": "name = input('your name? ')\n" + ADD},
        {"test-add": "NameError"},
    ),
    Case(
        "debug",
        "graded",
        without("add"),
        {"add": "%debug 1 + 1\n1 / 0"},
        {"test-add": "NameError"},
    ),
    Case(
        "shadowing random.py",
        "graded",
        FULL,
        files=lambda folder: [
            (folder / f"{name}.py").write_text("raise SystemExit('shadowed')")
            for name in ("random", "json", "ipykernel")
        ],
        kept=("p1.ipynb", "notes.txt", "random.py", "json.py", "ipykernel.py"),
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def graded(graded_once: Callable[..., Graded]) -> Graded:
    return graded_once("alive", CASES, settings=SETTINGS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_staying_alive(graded: Graded, case: Case) -> None:
    assert graded.faults(case) == []


def test_what_is_kept_of_a_flood_is_short(graded: Graded) -> None:
    for name in ("output flood", "repr of a megabyte"):
        case = next(case for case in CASES if case.name == name)
        assert len(graded.notebook(case)) < 80_000, name


def test_the_neighbour_has_full_marks(graded: Graded) -> None:
    assert graded.neighbours() == ("graded", FULL)


def test_nothing_else_is_touched_or_left(graded: Graded) -> None:
    assert graded.traces == []
