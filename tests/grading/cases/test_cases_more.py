"""Tricks and accidents that nobody listed: what each earns, and that it costs nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_class import FULL, Case, Graded, only_before, without
from tiny_course import ANSWERS

ADD = ANSWERS["add"]
WRONG = "def add(a, b): return 0\n"
IS_WRONG = {"test-add": "add(1, 2) returned 0"}
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


def harmless(name: str, code: str) -> Case:
    """Unusual and right."""
    return Case(name, "graded", FULL, {"add": f"{code}\n{ADD}"})


def deadly(name: str, code: str) -> Case:
    """An answer that its kernel does not survive; what was before it counts."""
    return Case(
        name, "kernel_died", only_before("add"), {"add": code}, {"row": "code cell 3"}
    )


FORGED = [
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
        "import builtins\n"
        "for name in ('len', 'all', 'any', 'sum', 'isinstance'):\n"
        "    setattr(builtins, name, lambda *args: 0)\n" + YES,
    ),
    forged(
        "value shown as another",
        "formatter = get_ipython().display_formatter.formatters['text/plain']\n"
        "formatter.for_type(int, lambda value, printer, cycle: printer.text('0'))\n"
        + YES,
    ),
    forged(
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
        "get_ipython().compile.ast_parse = lambda *a, **k: Drop().visit(true(*a, **k))",
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
        "SystemExit",
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
        IS_WRONG,
    ),
    Case(
        "error output forged",
        "graded",
        without("add"),
        {
            "add": "def add(a, b):\n"
            "    get_ipython().displayhook(2.0)\n    print('2.0')\n    return 0"
        },
        IS_WRONG,
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
        "!",
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
HARMLESS = [
    harmless("lone surrogate printed", "print('\\ud800')"),
    harmless("time zone changed", "import os, time\nos.environ['TZ'] = 'Asia/Tokyo'\ntime.tzset()"),
    harmless("shared memory", "open('/dev/shm/roadmap-case', 'w').write('x')"),
    harmless("folder left", "import os, tempfile\nos.chdir(tempfile.mkdtemp())"),
    harmless("folder emptied", "import os\n[os.remove(name) for name in os.listdir()]"),
    harmless(
        "standard output closed", "import os, sys\nos.close(1)\nsys.stdout.close()"
    ),
    harmless("warnings made errors", "import warnings\nwarnings.simplefilter('error')"),
    harmless(
        "thread that goes on",
        "import threading, time\n"
        "def work():\n    while True:\n        print('.', end='')\n        time.sleep(0.1)\n"
        "threading.Thread(target=work, daemon=True).start()",
    ),
    harmless("a hundred thousand files", "for n in range(10**5):\n"
             "    try: open(f'/tmp/{n}', 'w').close()\n    except OSError: break"),
    harmless("empty display", "from IPython.display import display\ndisplay({}, raw=True)"),
    harmless("sockets of its own", "import socket\nsocket.socket(socket.AF_UNIX).bind('\\0x')"),
    Case(
        "system calls",
        "graded",
        without("add"),
        {
            "add": "import ctypes\nlibc = ctypes.CDLL(None)\n"
            "numbers = {'ptrace': 101, 'bpf': 321, 'userfaultfd': 323, 'keyctl': 250,\n"
            "  'perf_event_open': 298, 'io_uring_setup': 425, 'init_module': 175,\n"
            "  'kexec_load': 246, 'mount': 165, 'pivot_root': 155, 'reboot': 169,\n"
            "  'swapon': 167, 'open_by_handle_at': 304, 'process_vm_readv': 310}\n"
            "got = [n for n, number in numbers.items() if libc.syscall(number, 0, 0, 0, 0) != -1]\n"
            "def add(a, b): raise LookupError(got)"
        },
        {"test-add": "LookupError: []"},
    ),
]  # fmt: skip
DEADLY = [
    deadly("alarm", "import signal, time\nsignal.alarm(1)\ntime.sleep(30)"),
    deadly("abort", "import os, resource\n"
           "try: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))\n"
           "except (OSError, ValueError): pass\nos.abort()"),
    deadly("every file closed", "import os\nos.closerange(3, 1000)"),
    Case("exit asked for", "kernel_died", only_before("add"), {"add": "exit()"}),
]  # fmt: skip
OTHER = [
    Case("fork of the kernel", "graded", FULL, {"add": "import os\nos.fork()\n" + ADD}),
]
CASES = [*FORGED, *FUTILE, *HARMLESS, *DEADLY, *OTHER]


@pytest.fixture(scope="module")
def graded(graded_once: Callable[..., Graded]) -> Graded:
    settings = "c.Grader.cell_timeout = 20\nc.Grader.output_limit = 20_000\n"
    return graded_once("more", CASES, settings=settings)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_more(graded: Graded, case: Case) -> None:
    assert graded.faults(case) == []


def test_what_was_written_to_shared_memory_is_gone(graded: Graded) -> None:
    assert graded.rows
    assert not Path("/dev/shm/roadmap-case").exists()


def test_messages_are_short_and_hold_no_control_characters(graded: Graded) -> None:
    messages = [
        message
        for rows in graded.rows.values()
        for row in rows
        for message in (row["message"], *(c["message"] for c in row["cells"].values()))
        if message
    ]
    assert max(map(len, messages)) <= 2000
    wild = [m for m in messages if any(ord(c) < 32 and c not in "\n\t" for c in m)]
    assert wild == []


def test_the_neighbour_has_full_marks(graded: Graded) -> None:
    assert graded.neighbours() == ("graded", FULL)


def test_nothing_else_is_touched_or_left(graded: Graded) -> None:
    assert graded.traces == []
