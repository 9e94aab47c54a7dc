"""Each room in a cgroup of its own, where one was delegated to these tests.

To have one: ``systemd-run --scope -p Delegate=yes pytest tests/grading_sandbox``, as root.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from sandboxed import Kernel, Start, python, until

from roadmap.grading.sandbox import ADDRESS_VARIABLE, ForkServer, Limits, cgroup

MIB = 1024**2
ENDED = 4_194_305  # no process: above the highest number that Linux gives


@pytest.fixture(scope="session")
def subtree() -> cgroup.Subtree:
    """The cgroup that was delegated to these tests."""
    taken = cgroup.take()
    if taken is None:
        pytest.skip("no cgroup with memory and pids was delegated to these tests")
    return taken


@pytest.fixture
def left(subtree: cgroup.Subtree) -> Callable[[int], list[Path]]:
    """The cgroups of the rooms of a fork server."""
    return lambda server: list(subtree.folder.glob(f"roadmap-{server}-*"))


@pytest.fixture
def served(subtree: cgroup.Subtree, registered: dict[str, str]) -> Iterator[ForkServer]:
    """A fork server that may be killed."""
    with ForkServer() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(ADDRESS_VARIABLE, server.address)
        yield server


class BlindServer(ForkServer):
    """A fork server whose supervisors never look what a kernel uses."""

    _CODE = """
import os, sys
from roadmap.grading.sandbox import server, supervisor
supervisor.POLL = 1000.0
sys.path.insert(0, os.getcwd())
server.main(sys.argv[1:])
"""

    def _start(
        self, listener: socket.socket, preload: object
    ) -> subprocess.Popen[bytes]:
        numbers = str(listener.fileno()), str(os.getpid())
        return subprocess.Popen(
            python(self._CODE, *numbers),
            pass_fds=[listener.fileno()],
            cwd=self.folder,
            stderr=self._errors,
        )


def test_burst_is_stopped_before_anybody_looks(
    subtree: cgroup.Subtree, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BlindServer() as server:
        monkeypatch.setenv(ADDRESS_VARIABLE, server.address)
        kernel = start(memory_limit=150 * MIB, disk_limit=20 * MIB)
        assert kernel.dies_of("b'x' * (3 * 2**30)") == "out_of_memory"
        said = kernel.provisioner.exit_message
        assert said == "stopped at the limit of 150 MiB of memory"


def test_all_processes_of_a_room_count_and_all_end(
    subtree: cgroup.Subtree, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BlindServer() as server:
        monkeypatch.setenv(ADDRESS_VARIABLE, server.address)
        kernel = start(memory_limit=250 * MIB, disk_limit=20 * MIB)
        code = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        x = b'x' * 120_000_000; time.sleep(1000)
time.sleep(1000)"""
        assert kernel.dies_of(code) == "out_of_memory"


def test_memory_never_goes_above_the_limit(subtree: cgroup.Subtree) -> None:
    with subtree.room(Limits(memory=30 * MIB, disk=10 * MIB)) as room:
        command = python("b'x' * (3 * 2**30)")
        done = subprocess.run(command, preexec_fn=room.enter, check=False)
        assert done.returncode == -signal.SIGKILL
        assert room.ran_out_of_memory()
        peak = room.folder / "memory.peak"
        if peak.exists():  # from Linux 5.19 on
            assert int(peak.read_text()) <= 40 * MIB
    assert not room.folder.exists()


def test_forks_beyond_the_limit_fail(subtree: cgroup.Subtree) -> None:
    code = """
import os, time
children = []
try:
    while True:
        if not (child := os.fork()): time.sleep(1000)
        children.append(child)
except BlockingIOError:
    print(len(children))
for child in children: os.kill(child, 9), os.waitpid(child, 0)
"""
    with subtree.room(Limits(processes=12)) as room:
        done = subprocess.run(
            python(code), preexec_fn=room.enter, stdout=subprocess.PIPE, text=True
        )
        assert done.stdout == "11\n"
        assert not room.ran_out_of_memory()


def test_kernel_and_all_that_it_starts_are_in_it_and_the_supervisor_is_not(
    served: ForkServer, start: Start, left: Callable[[int], list[Path]]
) -> None:
    kernel = start(process_limit=99)
    kernel.run("""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(1000)
    os._exit(0)
os.wait()""")
    (room,) = left(served.pid)
    (supervisor,) = psutil.Process(served.pid).children()
    (first,) = supervisor.children()
    inside = {int(pid) for pid in (room / "cgroup.procs").read_text().split()}
    assert inside == {first.pid, *(child.pid for child in first.children(True))}
    assert len(inside) == 3  # the first process, the kernel, the daemon
    assert room.name == f"roadmap-{served.pid}-{supervisor.pid}"
    assert (room / "pids.max").read_text() == "99\n"


def test_kernel_does_not_see_its_cgroup(kernel: Kernel) -> None:
    assert kernel.run("'cgroup' in open('/proc/mounts').read()") == "False"
    assert kernel.run("import os; os.path.exists('/sys')") == "False"


def test_cgroup_goes_with_its_kernel(
    served: ForkServer, start: Start, left: Callable[[int], list[Path]]
) -> None:
    kernel, other = start(), start()
    assert len(left(served.pid)) == 2
    kernel.shut_down()
    until(lambda: len(left(served.pid)) == 1)
    assert other.dies_of("import os; os._exit(0)") == "exit"
    assert left(served.pid) == []


def test_cgroup_of_a_killed_supervisor_goes_with_the_next_kernel(
    served: ForkServer, start: Start, left: Callable[[int], list[Path]]
) -> None:
    kernel = start()
    (room,) = left(served.pid)
    (supervisor,) = psutil.Process(served.pid).children()
    supervisor.kill()
    until(lambda: not (room / "cgroup.procs").read_text())
    until(lambda: not kernel.manager.is_alive())
    assert room.exists()
    start()
    assert not room.exists()
    assert len(left(served.pid)) == 1


def test_cgroups_of_a_killed_server_go_when_its_owner_closes_it(
    served: ForkServer, start: Start, left: Callable[[int], list[Path]]
) -> None:
    start()
    start()
    assert len(left(served.pid)) == 2
    os.kill(served.pid, signal.SIGKILL)
    served.close()
    assert left(served.pid) == []


_OWNER = """
import time
from roadmap.grading.sandbox import ForkServer
server = ForkServer()
print(server.pid, server.address, flush=True)
time.sleep(1000)
"""


@pytest.fixture
def owner(
    subtree: cgroup.Subtree, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that owns the fork server of this test's kernels, whose number comes too."""
    with subprocess.Popen(python(_OWNER), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        server, address = process.stdout.readline().split()
        monkeypatch.setenv(ADDRESS_VARIABLE, address)
        yield process, int(server)
        process.kill()


def test_cgroups_go_when_the_owner_is_killed(
    owner: tuple[subprocess.Popen[str], int],
    start: Start,
    left: Callable[[int], list[Path]],
) -> None:
    process, server = owner
    start()
    assert len(left(server)) == 1
    process.kill()
    until(lambda: not psutil.pid_exists(server))
    assert left(server) == []


def test_cgroups_of_a_killed_server_and_owner_go_when_the_next_server_starts(
    owner: tuple[subprocess.Popen[str], int],
    start: Start,
    left: Callable[[int], list[Path]],
) -> None:
    process, server = owner
    start()
    (room,) = left(server)
    os.kill(server, signal.SIGSTOP)  # so that it cannot see to anything
    process.kill()
    os.kill(server, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(server))
    until(lambda: not (room / "cgroup.procs").read_text())
    assert room.exists()
    with ForkServer():
        until(lambda: not room.exists())


# What follows needs no cgroup: Linux is a folder.


class FakeLinux:
    """A tree of cgroups, and the files of a process in it that tell where it is."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "sys"
        self.proc = folder / "proc"
        self.root.mkdir()
        self.proc.mkdir()

    def process(self, own: str, mounted: str = "/", kind: str = "cgroup2") -> Path:
        """A process in the cgroup ``own``, as /proc/<pid> tells it."""
        place = self.root if kind == "cgroup2" else f"{self.root}/memory"
        (self.proc / "mountinfo").write_text(
            "22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/sda rw\n"
            f"31 22 0:27 {mounted} {place} rw,nosuid shared:9 - {kind} {kind} rw\n"
        )
        (self.proc / "cgroup").write_text(f"4:memory:/elsewhere\n0::{own}\n")
        return self.proc

    def cgroup(self, path: str, *pids: str, mark: str = "") -> Path:
        folder = self.root / path
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("cgroup.type", "cgroup.subtree_control"):
            (folder / name).touch()
        (folder / "cgroup.procs").write_text("\n".join(pids))
        if mark:
            try:
                os.setxattr(folder, "user.delegate", mark.encode())
            except OSError as error:
                pytest.skip(f"no extended attributes at {folder}: {error}")
        return folder


@pytest.fixture
def linux(tmp_path: Path) -> FakeLinux:
    return FakeLinux(tmp_path)


def test_cgroup_that_systemd_marks_is_delegated(linux: FakeLinux) -> None:
    folder = linux.cgroup("system.slice/grade.service", mark="1")
    own = "/system.slice/grade.service"
    assert cgroup.delegated(linux.process(own)) == folder
    assert cgroup.delegated(linux.process(f"{own}/{cgroup.GRADER}")) == folder
    assert cgroup.delegated(linux.process(f"{own}/another")) is None


def test_cgroup_that_can_merely_be_written_is_not(linux: FakeLinux) -> None:
    linux.cgroup("system.slice/grade.service")
    assert cgroup.delegated(linux.process("/system.slice/grade.service")) is None
    linux.cgroup("system.slice/other.service", mark="0")
    assert cgroup.delegated(linux.process("/system.slice/other.service")) is None


def test_root_of_a_container_is_delegated_and_that_of_the_host_is_not(
    linux: FakeLinux,
) -> None:
    assert cgroup.delegated(linux.process("/")) is None
    linux.cgroup("")
    assert cgroup.delegated(linux.process("/")) == linux.root
    assert cgroup.delegated(linux.process(f"/{cgroup.GRADER}")) == linux.root


def test_what_lies_outside_of_what_is_mounted_is_not_looked_for(
    linux: FakeLinux, tmp_path: Path
) -> None:
    linux.cgroup("", mark="1")
    assert cgroup.delegated(linux.process("/../sys")) is None
    assert cgroup.delegated(linux.process("/", mounted="/..")) is None
    assert cgroup.delegated(linux.process("/", kind="cgroup")) is None
    assert cgroup.delegated(tmp_path / "no proc") is None


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders behave as Linux's: no process where controllers are handed on."""
    write = Path.write_text

    def written(path: Path, text: str) -> int:
        procs = path.parent / "cgroup.procs"
        if path.name == "cgroup.subtree_control" and procs.read_text():
            raise OSError(errno.EBUSY, "Device or resource busy")
        if path.name == "cgroup.procs":
            above = path.parent.parent / "cgroup.procs"
            pids = above.read_text().split()
            pids.remove(text)
            write(above, "\n".join(pids))
            if text == "13":
                raise ProcessLookupError(errno.ESRCH, "No such process")
            text = "\n".join(
                [*(path.read_text() if path.exists() else "").split(), text]
            )
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", written)


def _taken(proc: Path, monkeypatch: pytest.MonkeyPatch) -> cgroup.Subtree | None:
    folder = cgroup.delegated(proc)
    monkeypatch.setattr(cgroup, "delegated", lambda: folder)
    return cgroup.take()


def test_processes_of_the_delegated_cgroup_move_so_that_it_can_hand_on(
    linux: FakeLinux, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    folder = linux.cgroup("", "7", "13", "42")
    proc = linux.process("/")
    request.getfixturevalue("busy")
    taken = _taken(proc, monkeypatch)
    assert taken == cgroup.Subtree(folder)
    assert (folder / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert (folder / cgroup.GRADER / "cgroup.procs").read_text().split() == ["7", "42"]


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EROFS, errno.EACCES])
def test_delegated_cgroup_that_cannot_hand_on_is_not_used(
    linux: FakeLinux, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    linux.cgroup("")
    proc = linux.process("/")

    def refused(path: Path, text: str) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_text", refused)
    assert _taken(proc, monkeypatch) is None


def test_none_is_taken_where_none_was_delegated(
    linux: FakeLinux, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _taken(linux.process("/"), monkeypatch) is None


def test_limits_are_those_of_the_room_and_its_disk_is_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.swap.max").touch()
    cgroup.Cgroup(tmp_path).limit(Limits(memory=1000, disk=24, processes=7))
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "memory.max": "1024",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "7",
    }


@pytest.mark.parametrize(
    ("events", "ours"),
    [
        ("low 0\nmax 9\noom 0\noom_kill 0\n", False),
        ("low 0\nmax 9\noom 1\noom_kill 3\noom_group_kill 1\n", True),
        ("low 0\nmax 0\noom 0\noom_kill 1\n", False),  # the host ran out of memory
    ],
)
def test_end_by_its_own_limit_is_told_from_that_by_the_hosts(
    tmp_path: Path, events: str, ours: bool
) -> None:
    (tmp_path / "memory.events").write_text(events)
    assert cgroup.Cgroup(tmp_path).ran_out_of_memory() is ours


def test_sweep_removes_only_rooms_of_ended_processes(tmp_path: Path) -> None:
    alive = os.getpid()
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
        dead = [(ENDED, ENDED), (alive, ENDED), (ENDED, alive), (alive, child.pid)]
        for server, supervisor in [(alive, alive), *dead]:
            (tmp_path / f"roadmap-{server}-{supervisor}").mkdir()
        (tmp_path / cgroup.GRADER).mkdir()
        cgroup.Subtree(tmp_path).sweep()
    names = {folder.name for folder in tmp_path.iterdir()}
    assert names == {f"roadmap-{alive}-{alive}", cgroup.GRADER}
