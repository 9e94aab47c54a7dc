"""What a kernel cannot see, reach or change."""

from __future__ import annotations

import http.server
import os
import socket
import threading
from pathlib import Path

import pytest
from sandboxed import Kernel, Start

from roadmap.grading.sandbox import ADDRESS_VARIABLE, ForkServer
from roadmap.grading.sandbox.room import READABLE

_X86_64 = {
    "unshare": 272,
    "ptrace": 101,
    "setns": 308,
    "bpf": 321,
    "syslog": 103,
    "io_uring_setup": 425,
}
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course directory, readable by everybody; alice's work is what the kernel gets."""
    course = tmp_path / "course"
    for student in ("alice", "bob"):
        work = course / "submitted" / student / "ps1"
        work.mkdir(parents=True)
        (work / "p1.txt").write_text(f"answers of {student}")
    (course / "source").mkdir()
    (course / "source" / "p1.txt").write_text("solutions")
    (course / "gradebook.db").write_text("grades")
    for folder in [*tmp_path.parents[:3], tmp_path, *course.rglob("*")]:
        if folder.is_dir() and folder != Path("/"):
            folder.chmod(0o755)
    return course


def _tries(path: object) -> str:
    return f"open({str(path)!r}).read()"


def test_own_work_is_read_and_nothing_else_of_the_course(
    start: Start, course: Path
) -> None:
    kernel = start(course / "submitted" / "alice" / "ps1")
    assert kernel.run(_tries("p1.txt")) == "'answers of alice'"
    for path in (
        course / "gradebook.db",
        course / "source" / "p1.txt",
        course / "submitted" / "bob" / "ps1" / "p1.txt",
        course / "submitted" / "alice" / "ps1" / "p1.txt",
        "../../bob/ps1/p1.txt",
        "../p1.txt",
    ):
        assert kernel.run(_tries(path)).startswith("FileNotFoundError"), path


def test_symlinks_do_not_lead_out(start: Start, course: Path) -> None:
    work = course / "submitted" / "alice" / "ps1"
    (work / "grades").symlink_to(course / "gradebook.db")
    (work / "up").symlink_to("../../bob")
    (work / "folder").symlink_to(course)
    (work / "hosts").symlink_to("/etc/shadow")
    kernel = start(work)
    for name in ("grades", "up/ps1/p1.txt", "folder/gradebook.db", "hosts"):
        assert kernel.run(_tries(name)).startswith("FileNotFoundError"), name
    assert kernel.run("import os; os.readlink('up')") == "'../../bob'"


def test_devices_and_pipes_in_the_work_folder_are_not_taken_along(
    start: Start, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("x")
    assert start(tmp_path).run("import os; os.listdir()") == "['file']"


def test_file_system_is_only_what_notebooks_need(kernel: Kernel) -> None:
    listed = kernel.run("import os; ' '.join(sorted(os.listdir('/home')))")
    # The interpreter may lie in a home, of which there is no more than the way to it.
    ways = {path.split("/")[2] for path in READABLE if path.startswith("/home/")}
    assert listed == repr(" ".join(sorted({"learner", *ways})))
    assert kernel.run("os.listdir('/run'), os.listdir('/run/user')") == (
        "(['user'], ['1000'])"
    )
    for path in ("/var", "/sys", "/mnt", "/opt", "/boot", "/srv"):
        assert kernel.run(f"os.path.exists({path!r})") == "False", path
    for name in (
        "course",
        "source",
        "tests",
        ".git",
        "gradebook.db",
        "nbgrader_config.py",
    ):
        path = str(REPOSITORY / name)
        assert kernel.run(f"os.path.exists({path!r})") == "False", path
    assert kernel.run(
        "[n for n in os.listdir(os.path.expanduser('~root'))]"
    ).startswith("FileNotFoundError")
    assert kernel.run("import roadmap.practice, nbformat; 'imported'") == "'imported'"


def test_home_of_the_grader_is_not_there(kernel: Kernel) -> None:
    home = Path.home()
    # The interpreter, its packages and this one may lie below it, and are shown.
    shown = [Path(path) for path in READABLE]
    hidden = [p for p in home.iterdir() if not any(s.is_relative_to(p) for s in shown)]
    assert hidden
    code = f"[os.path.exists(path) for path in {[str(path) for path in hidden]!r}]"
    assert kernel.run(f"import os; any({code})") == "False"


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/etc/passwd",
        "/usr/bin/x",
        "/dev/x",
        "/proc/sys/kernel/hostname",
        "/home/x",
        "{os.__file__}",
        "{roadmap.__file__}",
    ],
)
def test_writes_outside_are_refused(kernel: Kernel, path: str) -> None:
    code = f"import os, roadmap; open(f{path!r}, 'a').write('x')"
    assert kernel.run(code).split(":")[0] in ("PermissionError", "OSError")


def test_only_own_processes_are_seen(kernel: Kernel) -> None:
    assert kernel.run(
        "import os; sorted(p for p in os.listdir('/proc') if p.isdigit())"
    ) == ("['1', '2']")
    assert kernel.run(f"os.kill({os.getpid()}, 0)").startswith("ProcessLookupError")


def test_first_process_is_closed_to_the_others(kernel: Kernel) -> None:
    for name in ("environ", "mem", "fd", "root", "maps"):
        code = f"import os; os.listdir('/proc/1/{name}') if {name!r} == 'fd' else "
        code += f"os.open('/proc/1/{name}', os.O_RDONLY)"
        assert kernel.run(code).startswith("PermissionError"), name


def test_environment_has_nothing_of_the_grader(
    registered: dict[str, str], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADEBOOK_PASSWORD", "hunter2")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with ForkServer() as server:
        monkeypatch.setenv(ADDRESS_VARIABLE, server.address)
        kernel = start()
        everything = kernel.run("""
import glob, os
texts = [str(dict(os.environ))]
for path in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline'):
    try: texts.append(open(path).read())
    except PermissionError: pass
' '.join(texts)""")
        assert "HOME" in everything
        assert "hunter2" not in everything
        assert str(REPOSITORY / "course") not in everything
        assert kernel.run("import time; time.tzname[0]") == "'JST'"
        kernel.shut_down()


def test_no_file_of_the_server_is_open_in_the_kernel(kernel: Kernel) -> None:
    links = kernel.run("""
import os
[link for fd in os.listdir('/proc/self/fd')
 if os.path.exists(f'/proc/self/fd/{fd}') or os.path.islink(f'/proc/self/fd/{fd}')
 for link in [os.readlink(f'/proc/self/fd/{fd}')]
 if not link.startswith(('socket:', 'pipe:', 'anon_inode:', '/dev/null', '/proc/'))]""")
    assert links == "[]"


def test_no_network_but_an_own_loopback(kernel: Kernel) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    host = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler
    )
    threading.Thread(target=host.serve_forever, daemon=True).start()
    try:
        kernel.run("import socket, urllib.request")
        for port in (listener.getsockname()[1], host.server_port):
            assert "Connection refused" in kernel.run(
                f"urllib.request.urlopen('http://127.0.0.1:{port}', timeout=5)"
            )
        assert "unreachable" in kernel.run(
            "socket.create_connection(('1.1.1.1', 80), 5)"
        )
        assert "unreachable" in kernel.run(
            "socket.socket(type=socket.SOCK_DGRAM).connect(('1.1.1.1', 53))"
        )
        assert kernel.run("socket.getaddrinfo('example.org', 80)").startswith(
            "gaierror"
        )
        assert kernel.run("[name for _, name in socket.if_nameindex()]") == "['lo']"
    finally:
        host.shutdown()
        host.server_close()
        listener.close()
    assert (
        kernel.run("""
import http.server, threading
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'hello')
    def log_message(self, *args): pass
server = http.server.HTTPServer(('localhost', 0), Hello)
threading.Thread(target=server.serve_forever, daemon=True).start()
urllib.request.urlopen(f'http://localhost:{server.server_port}').read()""")
        == "b'hello'"
    )


def test_unix_sockets_of_the_host_are_out_of_reach(
    kernel: Kernel, server: ForkServer, tmp_path: Path
) -> None:
    with (
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as named,
    ):
        name = f"roadmap-test-{os.getpid()}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        os.chdir(tmp_path)
        named.bind("s")
        named.listen()
        code = "import socket; socket.socket(socket.AF_UNIX).connect({!r})"
        assert kernel.run(code.format(f"\0{name}")).startswith("ConnectionRefusedError")
        for path in (server.address, tmp_path / "s"):
            assert kernel.run(code.format(str(path))).split(":")[0] in (
                "FileNotFoundError",
                "OSError",  # the name is too long
            )


def test_nothing_gives_privileges_back(kernel: Kernel) -> None:
    status = kernel.run("print(open('/proc/self/status').read())")
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(lines[name], 16) == 0
    assert lines["NoNewPrivs"] == "1"
    assert lines["Seccomp"] == "2"
    assert lines["Uid"].split() == ["1000"] * 4
    assert "Errno" in kernel.run("import os; os.setuid(0)")
    assert (
        kernel.run("""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for flags in (0x10000000, 0x20000, 0x40000000, 0x10020000):  # user, mount, net namespaces
    child = libc.syscall(56, flags | 17, 0, 0, 0, 0)  # clone, round the filter of unshare
    assert child == -1, flags
ctypes.get_errno() in (1, 28)  # EPERM, or ENOSPC: there are 0 user namespaces
""")
        == "True"
    )


@pytest.mark.parametrize(
    "call", ["unshare", "ptrace", "setns", "bpf", "syslog", "io_uring_setup"]
)
def test_filtered_calls_are_as_if_not_there(kernel: Kernel, call: str) -> None:
    number = _X86_64[call]
    assert (
        kernel.run(f"""
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
assert libc.syscall({number}, 0, 0, 0, 0) == -1
errno.errorcode[ctypes.get_errno()]""")
        == "'ENOSYS'"
    )


def test_landlock_holds_without_the_mounts_help(kernel: Kernel) -> None:
    # The only file systems here that may be written are given rights by name: a folder
    # that is writable for its owner but not among them is refused by Landlock alone.
    assert kernel.run("import os; open('/proc/self/comm', 'w').write('x')").startswith(
        "PermissionError"
    )
    assert kernel.run("os.access('/proc/self/comm', os.W_OK)") == "True"


@pytest.mark.parametrize("family", ["AF_VSOCK", "AF_PACKET", "AF_ALG"])
def test_sockets_that_no_namespace_divides_cannot_be_had(
    kernel: Kernel, family: str
) -> None:
    assert "not supported" in kernel.run(
        f"import socket; socket.socket(socket.{family}, socket.SOCK_STREAM)"
    )


def test_host_and_session_have_no_name_inside(kernel: Kernel) -> None:
    assert kernel.run("import socket; socket.gethostname()") == "'sandbox'"
    named = kernel.run("print(open('/proc/self/cgroup').read())").splitlines()
    assert {line.split(":")[2] for line in named if line} == {"/"}


def test_every_mount_but_the_scratch_is_read_only(kernel: Kernel) -> None:
    mounts = kernel.run("print(open('/proc/mounts').read())").splitlines()
    options = {line.split()[1]: line.split()[3].split(",") for line in mounts if line}
    writable = {place for place, flags in options.items() if "rw" in flags}
    scratch = {"/home/learner", "/run/user/1000", "/tmp", "/dev/shm"}
    devices = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")}
    assert writable == scratch | devices | {"/dev/tty", "/dev/pts", "/proc"}
    assert all("nosuid" in flags for flags in options.values())
    assert all("nodev" in options[place] for place in scratch)
