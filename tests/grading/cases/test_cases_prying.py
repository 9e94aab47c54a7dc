"""What is not a learner's own cannot be read, reached or changed from an answer.

``double`` tells what it has seen; no word of what is secret gets into what it leaves.
"""

from __future__ import annotations

import os
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_class import FULL, NEIGHBOUR, NONE, SECRET, Case, Graded, without
from tiny_course import ANSWERS

ENVIRONMENT = {
    "ROADMAP_GRADEBOOK_URL_OF_A_TEST": f"postgresql://me:{SECRET}@localhost/marks",
    "TOKEN": SECRET,
}


def prying(
    name: str, expression: str, says: str, files: Callable[[Path], object] | None = None
) -> Case:
    """A look at ``expression`` in ``double``, where its value or error can be seen."""
    code = (
        "import glob, os, socket, sqlite3, sys, urllib.request\n"
        f"def double(n):\n    raise LookupError({expression})"
    )
    says_ = {"test-double": says}
    return Case(name, "graded", without("double"), {"double": code}, says_, files=files)


def zipped(folder: Path) -> None:
    with zipfile.ZipFile(folder / "work.zip", "w") as file:
        for name in ("../../../../from-a-zip.txt", "/tmp/from-a-zip.txt", "p1.ipynb"):
            file.writestr(name, "x")


def unpacked(name: str, code: str) -> Case:
    """An archive with a path that leads out, unpacked by an answer."""
    return Case(name, "graded", FULL, {"double": f"{code}\n{ANSWERS['double']}"})


FILES = [
    prying(name, f"open('THE_ROOT/{path}').read()", "FileNotFoundError")
    for name, path in {
        "another learner's work": f"submitted/{NEIGHBOUR}/ps1/p1.ipynb",
        "source": "source/ps1/p1.ipynb",
        "settings": "nbgrader_config.py",
        "gradebook": "gradebook.db",
        "own work where it was handed in": "submitted/gradebook/ps1/p1.ipynb",
    }.items()
] + [
    prying("other learners' marks", "os.listdir('THE_ROOT/.roadmap/graded')", "FileNotFoundError"),
    prying("course", "os.listdir('THE_ROOT')", "FileNotFoundError"),
    prying("neighbours by a relative path", "os.listdir('..')", "['ps1']"),
    # A checkout may be below /tmp, and its environment is there to be read.
    prying(
        "graders' temporary folders",
        "[name for name in os.listdir('/tmp') if not sys.prefix.startswith('/tmp/' + name)]",
        "LookupError: []",
    ),
    prying("write into the course", "open('THE_ROOT/x', 'w')", "FileNotFoundError"),
    prying(
        "every grade rewritten",
        "sqlite3.connect('file:THE_ROOT/gradebook.db?mode=rw', uri=True)"
        ".execute('UPDATE grade SET manual_score = 100')",
        "unable to open database file",
    ),
]  # fmt: skip
PROCESSES = [
    prying("own environment", "sorted(os.environ)", "NBGRADER_EXECUTION"),
    prying(
        "environment of other processes",
        "[len(open(path).read()) for path in glob.glob('/proc/[0-9]*/environ')]",
        "PermissionError",
    ),
    prying("processes", "sorted(filter(str.isdigit, os.listdir('/proc')))", "['1', '2']"),
    prying("root of the first process", "os.listdir('/proc/1/root/')", "PermissionError"),
    prying("memory of the first process", "open('/proc/1/mem', 'rb')", "PermissionError"),
    prying("grader's process", "os.kill(THE_GRADER, 0)", "ProcessLookupError"),
    prying("kernel's settings", "open('/proc/sys/kernel/core_pattern', 'w')", "Error"),
    prying("kernel's own memory", "open('/proc/kcore', 'rb').read(1)", "Error"),
    prying("sysrq", "open('/proc/sysrq-trigger', 'w')", "Error"),
]  # fmt: skip
NETWORK = [
    prying(
        "loopback of the host",
        "socket.create_connection(('127.0.0.1', THE_PORT), 3)",
        "ConnectionRefusedError",
    ),
    prying(
        "abstract socket of the host",
        "socket.socket(socket.AF_UNIX).connect('\\0THE_SOCKET')",
        "ConnectionRefusedError",
    ),
    prying("network", "socket.create_connection(('1.1.1.1', 80), 3)", "unreachable"),
    prying("names", "socket.getaddrinfo('example.org', 80)", "gaierror"),
]
LINK = "a link that leads out of the folder"


def linked(name: str, place: str, says: str) -> Case:
    """A link out of the folder handed in: not followed, not copied, and told."""
    case = prying(
        name,
        "open('inside').read()",
        "FileNotFoundError",
        lambda folder: (folder / "inside").symlink_to(place),
    )
    case.says["row"] = says
    return case


HANDED_IN = [
    linked("link to the gradebook", "../../../gradebook.db", LINK),
    linked("link to a neighbour", f"../../{NEIGHBOUR}/ps1", LINK),
    linked("link to a system file", "/etc/passwd", LINK),
    linked("link to itself", "inside", "inside was left out"),
    Case(
        "notebook that is a link",
        "invalid",
        NONE,
        says={"row": LINK},
        files=lambda folder: [
            (folder / "p1.ipynb").unlink(),
            (folder / "p1.ipynb").symlink_to(f"../../{NEIGHBOUR}/ps1/p1.ipynb"),
        ],
        kept=("notes.txt",),
    ),
    Case(
        "notebook that is a pipe",
        "invalid",
        NONE,
        says={"row": "not a regular file"},
        files=lambda folder: [
            (folder / "p1.ipynb").unlink(),
            os.mkfifo(folder / "p1.ipynb"),
        ],
        kept=("notes.txt",),
    ),
    Case(
        "pipe among the files",
        "graded",
        FULL,
        says={"row": "pipe was left out: not a regular file"},
        files=lambda folder: os.mkfifo(folder / "pipe"),
    ),
    Case(
        "zip with a path that leads out",
        "graded",
        FULL,
        files=zipped,
        kept=("p1.ipynb", "notes.txt", "work.zip"),
    ),
    unpacked(
        "tar unpacked by an answer",
        "import io, tarfile\n"
        "place = io.BytesIO()\n"
        "with tarfile.open(fileobj=place, mode='w') as file:\n"
        "    for name in ('../../../../tmp/from-a-tar.txt', '/tmp/from-a-tar.txt'):\n"
        "        file.addfile(tarfile.TarInfo(name))\n"
        "place.seek(0)\n"
        "tarfile.open(fileobj=place).extractall('.')",
    ),
]
CASES = [*FILES, *PROCESSES, *NETWORK, *HANDED_IN]


@pytest.fixture(scope="module")
def graded(graded_once: Callable[..., Graded]) -> Graded:
    name = f"roadmap-cases-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        abstract.bind(f"\0{name}")
        abstract.listen()
        words = {
            "THE_PORT": str(listener.getsockname()[1]),
            "THE_SOCKET": name,
            "THE_GRADER": str(os.getpid()),
        }
        return graded_once("prying", CASES, words=words, hidden=ENVIRONMENT)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_prying(graded: Graded, case: Case) -> None:
    assert graded.faults(case) == []


def test_no_secret_is_in_what_a_prying_learner_leaves(graded: Graded) -> None:
    folders = [graded.root / "autograded" / case.student for case in CASES]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(files) > len(CASES)
    assert [path for path in files if SECRET in path.read_text("latin-1")] == []
    assert SECRET not in str([graded.rows[case.student] for case in CASES])


def test_nothing_was_unpacked() -> None:
    assert list(Path("/tmp").glob("from-a-*.txt")) == []


def test_the_neighbour_has_full_marks(graded: Graded) -> None:
    assert graded.neighbours() == ("graded", FULL)


def test_nothing_else_is_touched_or_left(graded: Graded) -> None:
    assert graded.traces == []
