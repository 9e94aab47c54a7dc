"""Who lives and dies with whom, and what happens when something cannot be had."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sandboxed import Kernel, Start, python, running, until

from roadmap.grading.sandbox import (
    ADDRESS_VARIABLE,
    ForkServer,
    SandboxError,
    available,
    client,
)
from roadmap.grading.sandbox.probe import available as uncached

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def mark() -> str:
    """Something that only a process of this test has in its command line."""
    return str(uuid.uuid4())


def _leave_behind(kernel: Kernel, mark: str) -> None:
    """Have a process in the kernel's sandbox that the host can find."""
    kernel.run(
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)', {mark!r}],"
        " start_new_session=True)"
    )
    until(lambda: len(running(mark)) == 1)


def test_kernels_die_with_their_server(
    registered: dict[str, str], start: Start, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ForkServer() as server:
        monkeypatch.setenv(ADDRESS_VARIABLE, server.address)
        kernel = start()
        _leave_behind(kernel, mark)
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: not running(mark))
        until(lambda: not kernel.manager.is_alive())
        assert kernel.provisioner.exit_reason == "killed"


_OWNER = """
import sys, time
from jupyter_client import KernelManager
manager = KernelManager(kernel_name="roadmap-sandbox")
manager.start_kernel(cwd=sys.argv[2])
client = manager.blocking_client()
client.start_channels()
client.wait_for_ready(timeout=20)
client.execute_interactive(
    "import subprocess, sys\\n"
    "x = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)', "
    f"{sys.argv[1]!r}])"
)
print(manager.provisioner._runtime.parent, flush=True)
"""


@contextmanager
def _own(
    end: str, mark: str, cwd: Path, env: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that has a kernel, and what it said when the kernel ran."""
    command = python(_OWNER + end, mark, str(cwd))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as owner:
        try:
            assert owner.stdout is not None
            yield owner, owner.stdout.readline().strip()
        finally:
            owner.kill()


def _sandboxed(mark: str, owner: int) -> list[int]:
    return [pid for pid in running(mark) if pid != owner]


@pytest.mark.parametrize("ending", ["time.sleep(1000)", "pass", "raise SystemExit(1)"])
def test_everything_dies_with_the_owner(
    registered: dict[str, str], mark: str, ending: str, tmp_path: Path
) -> None:
    env = {**os.environ, **registered}
    env.pop(ADDRESS_VARIABLE, None)
    with _own(ending, mark, tmp_path, env) as (owner, said):
        folder = Path(said)
        if ending == "time.sleep(1000)":
            assert len(_sandboxed(mark, owner.pid)) == 1
            assert folder.is_dir()
            owner.kill()
        owner.wait(20)
        until(lambda: not running(mark))
        until(lambda: not folder.exists())


def test_kernel_dies_with_its_client_alone(
    server: ForkServer,
    start: Start,
    mark: str,
    tmp_path: Path,
    registered: dict[str, str],
) -> None:
    other = start()
    env = {**os.environ, **registered, ADDRESS_VARIABLE: server.address}
    with _own("time.sleep(1000)", mark, tmp_path, env) as (owner, _):
        assert len(_sandboxed(mark, owner.pid)) == 1
        owner.kill()
        owner.wait(20)
        until(lambda: not running(mark))
    assert other.run("6 * 7") == "42"


def test_server_leaves_no_process_and_no_folder(start: Start, mark: str) -> None:
    with ForkServer() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(ADDRESS_VARIABLE, server.address)
        kernel = start()
        _leave_behind(kernel, mark)
        tree = [psutil.Process(server.pid), *psutil.Process(server.pid).children(True)]
        assert len(tree) >= 5  # server, supervisor, first process, kernel, the one left
    until(lambda: not any(process.is_running() for process in tree))
    assert not server.folder.exists()


def test_supervisors_and_folders_of_kernels_go_with_them(
    server: ForkServer, start: Start
) -> None:
    until(lambda: not psutil.Process(server.pid).children())  # of the tests before
    kernel = start()
    assert len(psutil.Process(server.pid).children()) == 1
    folders = len(list(server.folder.iterdir()))
    kernel.shut_down()
    until(lambda: not psutil.Process(server.pid).children())
    assert len(list(server.folder.iterdir())) == folders - 1


def test_server_knows_nothing_of_the_grader(
    registered: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADEBOOK_PASSWORD", "hunter2")
    with ForkServer() as server:
        process = psutil.Process(server.pid)
        assert set(process.environ()) <= {
            *("PATH", "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ"),
            "PYTHONHASHSEED",
        }
        assert str(REPOSITORY / "course") not in " ".join(process.cmdline())
        # Modules while it imports them; then its unlinked file for errors alone.
        until(lambda: all("(deleted)" in file.path for file in process.open_files()))
        assert process.num_fds() <= 7


def test_server_that_cannot_import_says_what(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ADDRESS_VARIABLE)
    with pytest.raises(SandboxError, match="No module named 'no_such_module'"):
        start(preload=["no_such_module"])


def test_own_server_is_started_once_and_again_if_it_died(
    registered: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_own", {})
    first = client.own_server()
    assert client.own_server() is first
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: first.failure() is not None)
    second = client.own_server()
    assert second is not first
    second.close()


def test_forked_child_that_exits_does_not_end_the_server() -> None:
    code = """
import os, sys
from roadmap.grading.sandbox.client import own_server
server = own_server()
if os.fork() == 0: sys.exit(0)
os.wait()
print(server.failure(patience=0.2), server.folder.exists())
"""
    done = subprocess.run(python(code), capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("None True\n", "")


def test_address_where_nobody_answers_is_an_error(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, str(tmp_path / "nobody"))
    with pytest.raises(SandboxError, match=f"nobody.*unset {ADDRESS_VARIABLE}"):
        start()


def test_work_folder_that_does_not_fit_is_an_error(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "big").write_bytes(bytes(2 * 1024**2))
    with pytest.raises(SandboxError, match=r"the work folder.*No space left"):
        start(tmp_path, disk_limit=1024**2)
    assert start(tmp_path).run("6 * 7") == "42"


def test_course_is_not_taken_for_a_work_folder(start: Start, tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").touch()
    with pytest.raises(SandboxError, match="it is a course"):
        start(tmp_path)


def test_work_folder_inside_what_all_can_read_is_an_error(start: Start) -> None:
    for inside in (Path(sys.prefix, "share"), Path("/usr/share/doc")):
        with pytest.raises(SandboxError, match=r"every notebook can read; move"):
            start(inside)


@pytest.mark.parametrize(
    ("broken", "step"),
    [
        ("linux.unshare", "namespaces"),
        ("linux.loopback_up", "the loopback interface"),
        ("linux.bind", "the system, read-only"),
        ("linux.set_attributes", "read-only"),
        ("linux.pivot_root_here", "a new root"),
        ("linux.mount", "a private view of the mounts"),
        ("linux.drop_capabilities", "capabilities"),
        ("call_filter.apply", "the filter of system calls"),
        ("isolate._restrict_files", "Landlock"),
        ("isolate._set_limits", "resource limits"),
    ],
)
def test_nothing_runs_when_a_step_of_the_isolation_fails(
    tmp_path: Path, broken: str, step: str
) -> None:
    code = f"""
import os, sys
from pathlib import Path
from roadmap.errors import RoadmapError
from roadmap.grading.sandbox import filter as call_filter, isolate, launch, linux, room
def fail(*args, **kwargs): raise OSError(1, "broken for this test")
{broken} = fail
def inhabitant(channel):
    Path(sys.argv[1], "ran").touch()
    os._exit(0)
here = room.Room(Path(sys.argv[1]), None, isolate.Limits())
try: launch.launch(here, lambda: inhabitant)
except RoadmapError as error: print(error)
assert not os.path.exists("/proc/self/task/%d/children" % os.getpid()) or not open(
    "/proc/self/task/%d/children" % os.getpid()).read(), "a process is left"
"""
    done = subprocess.run(python(code, str(tmp_path)), capture_output=True, text=True)
    assert done.stderr == ""
    assert step in done.stdout
    assert "broken for this test" in done.stdout
    assert done.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_host_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available() == []
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: 1 / 0)
    assert uncached() == []


def test_other_systems_lack_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert available.__wrapped__() == [
        "Linux: the sandbox is made of its namespaces; this is darwin"
    ]


def test_host_that_forbids_namespaces_is_told_so() -> None:
    code = """
import sys
from roadmap.grading.sandbox import linux
def fail(*args): raise PermissionError(1, "Operation not permitted")
linux.unshare = fail
import runpy
runpy.run_module("roadmap.grading.sandbox", run_name="__main__")
"""
    done = subprocess.run(python(code), capture_output=True, text=True)
    assert "namespaces: Operation not permitted; " in done.stdout
    assert done.stderr == ""


def test_ten_kernels_at_once(start: Start) -> None:
    kernels = [start() for _ in range(10)]
    for number, kernel in enumerate(kernels):
        kernel.run(f"x = {number}")
    assert [kernel.run("x") for kernel in kernels] == [str(n) for n in range(10)]


def test_environment_that_lies_in_tmp_is_not_covered() -> None:
    """As in a checkout in /tmp: the sandbox has a /tmp of its own."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="venv-") as folder:
        venv.create(folder, symlinks=True)
        (site,) = Path(folder).glob("lib/python*/site-packages")
        ours = [path for path in sys.path if path]
        (site / "ours.pth").write_text("\n".join(ours))
        code = "from roadmap.grading.sandbox import available; print(available())"
        command = [f"{folder}/bin/python", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_server_whose_owner_is_gone_before_it_runs_ends_at_once() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind("")
        listener.listen()
        ended = subprocess.Popen(["true"])
        ended.wait()
        for pid in (ended.pid, 1):
            command = [sys.executable, "-m", "roadmap.grading.sandbox.server"]
            done = subprocess.run(
                [*command, str(listener.fileno()), str(pid)],
                pass_fds=[listener.fileno()],
                timeout=60,
                check=False,
            )
            assert done.returncode == 0
