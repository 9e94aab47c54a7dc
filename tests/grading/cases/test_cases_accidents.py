"""Accidents and strange habits: what is right earns its marks, what dies costs nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_class import FULL, Case, Graded, only_before, without
from tiny_course import ANSWERS

ADD = ANSWERS["add"]


def harmless(name: str, code: str) -> Case:
    """Unusual and right."""
    return Case(name, "graded", FULL, {"add": f"{code}\n{ADD}"})


def deadly(name: str, code: str) -> Case:
    """An answer that its kernel does not survive; what was before it counts."""
    return Case(
        name, "kernel_died", only_before("add"), {"add": code}, {"row": "code cell 3"}
    )


HARMLESS = [
    harmless("lone surrogate printed", "print('\\ud800')"),
    harmless("time zone changed", "import os, time\nos.environ['TZ'] = 'Asia/Tokyo'\ntime.tzset()"),
    harmless("shared memory", "open('/dev/shm/roadmap-case', 'w').write('x')"),
    harmless("folder left", "import os, tempfile\nos.chdir(tempfile.mkdtemp())"),
    harmless("folder emptied", "import os\n[os.remove(name) for name in os.listdir()]"),
    harmless(
        "standard output closed", "import os\nos.close(1)\nos.close(2)"
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
    Case("exit asked for", "kernel_died", only_before("add"),
         {"add": "exit()", "double": "import time\ntime.sleep(30)"}, {"row": "the kernel died"}),
]  # fmt: skip
OTHER = [
    Case("fork of the kernel", "graded", FULL, {"add": "import os\nos.fork()\n" + ADD}),
]
CASES = [*HARMLESS, *DEADLY, *OTHER]


@pytest.fixture(scope="module")
def graded(graded_once: Callable[..., Graded]) -> Graded:
    settings = "c.Grader.cell_timeout = 10\nc.Grader.output_limit = 20_000\n"
    return graded_once("accidents", CASES, settings=settings)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_accident(graded: Graded, case: Case) -> None:
    assert graded.faults(case) == []


def test_what_was_written_to_shared_memory_is_gone(graded: Graded) -> None:
    assert graded.rows
    assert not Path("/dev/shm/roadmap-case").exists()


def test_the_neighbour_has_full_marks(graded: Graded) -> None:
    assert graded.neighbours() == ("graded", FULL)


def test_nothing_else_is_touched_or_left(graded: Graded) -> None:
    assert graded.traces == []
