"""What a kernel takes too much of ends it, and costs nobody else anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from sandboxed import Kernel, Start, running

MIB = 1024**2


@pytest.fixture
def neighbour(start: Start) -> Kernel:
    """Another kernel, which has to live on."""
    kernel = start()
    kernel.run("x = 42")
    return kernel


def test_memory_bomb_is_stopped(start: Start, neighbour: Kernel) -> None:
    kernel = start(memory_limit=300 * MIB)
    assert (
        kernel.dies_of("x = []\nwhile True: x.append(bytes(1) * 10**7)")
        == "out_of_memory"
    )
    assert (
        kernel.provisioner.exit_message == "stopped at the limit of 300 MiB of memory"
    )
    assert neighbour.run("x") == "42"


def test_memory_of_all_processes_counts(start: Start) -> None:
    kernel = start(memory_limit=400 * MIB)
    assert (
        kernel.dies_of("""
import subprocess, sys, time
code = 'x = bytes(1) * 150_000_000; import time; time.sleep(1000)'
children = [subprocess.Popen([sys.executable, '-c', code]) for _ in range(3)]
time.sleep(1000)""")
        == "out_of_memory"
    )


def test_page_tables_count(start: Start) -> None:
    kernel = start(memory_limit=60 * MIB)
    assert (
        kernel.dies_of("""
import mmap, time
nothing = mmap.mmap(-1, 100 * 2**30, mmap.MAP_PRIVATE | 0x4000, mmap.PROT_READ)
nothing.madvise(mmap.MADV_NOHUGEPAGE)
nothing.madvise(22)  # MADV_POPULATE_READ: every page of it is the one page of zeros
time.sleep(1000)""")
        == "out_of_memory"
    )


def test_shared_pages_count_once(start: Start) -> None:
    kernel = start(memory_limit=400 * MIB)
    assert (
        kernel.run("""
import os, time
x = bytes(1) * 150_000_000
children = [os.fork() for _ in range(1)]
if children == [0]:
    os.fork(); os.fork()
    time.sleep(1); os._exit(0)
time.sleep(0.5); 'alive'""")
        == "'alive'"
    )


@pytest.mark.parametrize(
    "call", ["os.memfd_create('x')", "shmget(1 << 20)", "shmget(1 << 40)"]
)
def test_memory_cannot_hide(kernel: Kernel, call: str) -> None:
    assert (
        kernel.run(f"""
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def shmget(size):
    number = libc.shmget(0, ctypes.c_size_t(size), 0o1600)
    if number == -1: raise OSError(ctypes.get_errno(), '')
shmget(56)  # what PostgreSQL takes
try: {call}
except OSError as error: print(errno.errorcode[error.errno])""")
        == "ENOSYS"
    )


@pytest.mark.parametrize(
    "bomb",
    [
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "!bash -c ':(){ :|:& };:'; sleep 1000",
        "import threading, time\n"
        "for _ in range(5000):\n"
        "    try: threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "    except RuntimeError: time.sleep(0.001)",
    ],
    ids=["fork", "bash", "threads"],
)
def test_bombs_are_contained(start: Start, neighbour: Kernel, bomb: str) -> None:
    kernel = start(process_limit=64)
    assert kernel.dies_of(bomb) == "too_many_processes"
    assert neighbour.run("x") == "42"


def test_full_disk_ends_at_the_limit_and_is_the_kernels_own(
    start: Start, neighbour: Kernel, tmp_path: Path
) -> None:
    kernel = start(tmp_path, disk_limit=20 * MIB)
    for folder in (".", "/tmp", "/dev/shm", "~"):
        written = int(
            kernel.run(f"""
import errno, os
path = os.path.join(os.path.expanduser({folder!r}), 'big')
written = 0
try:
    with open(path, 'wb', buffering=0) as file:
        while True: written += file.write(bytes(1024**2))
except OSError as error:
    assert error.errno == errno.ENOSPC, error
os.remove(path); print(written)""")
        )
        assert 15 * MIB < written <= 20 * MIB
    assert list(tmp_path.iterdir()) == []
    assert kernel.run("open('small', 'w').write('x')") == "1"
    assert neighbour.run("open('/tmp/x', 'w').write('x')") == "1"


def test_files_without_end_are_refused(start: Start) -> None:
    kernel = start()
    assert "No space left" in kernel.run(
        "for number in range(10**6): open(f'/tmp/{number}', 'w').close()"
    )


def test_kernel_that_dies_of_a_full_disk_says_so(start: Start) -> None:
    kernel = start(disk_limit=20 * MIB)
    assert (
        kernel.dies_of("""
import os
try:
    with open('/tmp/big', 'wb', buffering=0) as file:
        while True: file.write(bytes(1024**2))
except OSError: os._exit(1)""")
        == "disk_full"
    )


def test_open_files_and_processor_time_are_limited(start: Start) -> None:
    kernel = start(file_limit=100, cpu_limit=1)
    assert "Too many open files" in kernel.run(
        "x = [open('/dev/null') for _ in range(200)]"
    )
    assert kernel.dies_of("while True: pass") == "signal"


def test_time_limit_ends_a_kernel_that_sleeps(start: Start) -> None:
    kernel = start(time_limit=1.0)
    assert kernel.dies_of("import time; time.sleep(1000)") == "timeout"
    assert kernel.provisioner.exit_message == "stopped at the limit of 1 s"


@pytest.mark.parametrize(
    "code",
    [
        "os.kill(1, 9), os.kill(os.getppid(), 9)",
        "[os.kill(1, number) for number in range(1, 65)]",
        "os.killpg(0, 9)",
        "os.kill(-1, 9)",
        "[os.kill(number, 9) for number in range(2, 400)]",
    ],
)
def test_killing_hurts_only_itself(start: Start, neighbour: Kernel, code: str) -> None:
    kernel = start()
    kernel.begin(f"import os; {code}")
    assert neighbour.run("x") == "42"
    assert start().run("6 * 7") == "42"


def test_first_process_cannot_be_killed_from_inside(kernel: Kernel) -> None:
    assert (
        kernel.run("""
import os
for number in range(1, 65):
    os.kill(1, number)
'alive'""")
        == "'alive'"
    )


def test_daemon_is_gone_with_its_kernel(start: Start) -> None:
    kernel = start()
    mark = "98765.4321"
    kernel.run(f"""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execvp('sleep', ['sleep', '{mark}'])
    os._exit(0)
time.sleep(0.3)""")
    assert len(running(mark)) == 1
    assert kernel.dies_of("os._exit(0)") == "exit"
    assert running(mark) == []
