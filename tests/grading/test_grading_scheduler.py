"""A class graded on the workers of a Dask scheduler: the same marks, and nothing is lost."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from dask_cluster import DaskCluster, dask_cluster
from nbgrader.api import Gradebook
from tiny_course import ANSWERS, TinyCourse
from waiting import wait_for

from roadmap.cli import main
from roadmap.errors import RoadmapError
from roadmap.grading import Row, grade, remote

ADD = ANSWERS["add"]
# One run of each, in which no cell is stopped.
PATIENT = "c.Grader.prove = False\nc.ExecutePreprocessor.timeout = 600\n"


@pytest.fixture
def cluster() -> Iterator[DaskCluster]:
    with dask_cluster() as started:
        yield started


def untimed(rows: list[Row]) -> list[Row]:
    return [replace(row, seconds=0.0) for row in rows]


def marks(course: TinyCourse) -> dict[str, float]:
    with Gradebook(f"sqlite:///{course.root}/gradebook.db", "tiny") as book:
        found = book.assignment_submissions("ps1")
        return {submission.student_id: submission.score for submission in found}


def executed(course: TinyCourse) -> dict[str, str]:
    found = sorted((course.root / "autograded").glob("*/ps1/*"))
    return {
        path.relative_to(course.root).as_posix(): path.read_text() for path in found
    }


def meeting(begun: Path, go: Path) -> str:
    """An answer that says in which process it runs, and ends when it is told to."""
    return (
        "import os, time\n"
        f"with open({str(begun)!r}, 'a') as file: file.write(f'{{os.getpid()}} ')\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.02)\n{ADD}"
    )


def kernels(begun: Path) -> list[int]:
    return [int(pid) for pid in begun.read_text().split()] if begun.exists() else []


def start_grader(course: TinyCourse, cluster: DaskCluster) -> subprocess.Popen[str]:
    arguments = ["grade", "ps1", "--root", course.root, "--no-sandbox"]
    arguments += ["--scheduler", cluster.address]
    return subprocess.Popen(
        [sys.executable, "-m", "roadmap.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def hand_in_a_class(course: TinyCourse) -> None:
    course.hand_in("ada")
    course.hand_in("ben", {"add": ADD, "double": "print(open('data.txt').read())"})
    (course.folder("ben") / "data.txt").write_text("of ben")
    course.hand_in("cem", {"add": "import os\nos._exit(0)"})
    course.hand_in(
        "dan",
        {
            "add": "class E(int):\n    __eq__ = lambda s, o: True\nadd = lambda a, b: E()"
        },
    )
    (course.folder("eve") / "p1.ipynb").write_text("no notebook")
    course.folder("fay")


def test_rows_notebooks_and_marks_are_those_of_a_run_here(
    course: TinyCourse, cluster: DaskCluster
) -> None:
    hand_in_a_class(course)
    here = grade("ps1", course.root)
    book, notebooks = marks(course), executed(course)
    assert {row.student: row.status for row in here} == {
        "ada": "graded",
        "ben": "graded",
        "cem": "kernel_died",
        "dan": "tampered",
        "eve": "invalid",
        "fay": "missing",
    }
    assert "of ben" in notebooks["autograded/ben/ps1/p1.ipynb"]
    cluster.worker()
    cluster.worker("--no-nanny")
    cluster.wait_for_workers(2)
    there = grade("ps1", course.root, scheduler=cluster.address, force=True)
    assert untimed(there) == untimed(here)
    assert (marks(course), executed(course)) == (book, notebooks)
    # What one has graded, the other need not.
    assert grade("ps1", course.root) == there


def test_a_worker_that_is_killed_costs_nothing(
    course: TinyCourse, cluster: DaskCluster, tmp_path: Path
) -> None:
    course.configure(PATIENT)
    begun, go = tmp_path / "begun", tmp_path / "go"
    students = ["ada", "ben", "cem", "dan"]
    for student in students:
        course.hand_in(student, {**ANSWERS, "add": meeting(begun, go)})
    workers = [cluster.worker("--no-nanny"), cluster.worker("--no-nanny")]
    cluster.wait_for_workers(2)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(
            grade, "ps1", course.root, sandbox=False, scheduler=cluster.address
        )
        wait_for(lambda: len(kernels(begun)) == 2 or running.done())
        on = {
            parent.pid: pid
            for pid in kernels(begun)
            for parent in psutil.Process(pid).parents()
        }
        assert {worker.pid for worker in workers} <= set(on), "one kernel on each"
        workers[0].send_signal(signal.SIGKILL)
        wait_for(lambda: not psutil.pid_exists(on[workers[0].pid]))
        go.touch()
        rows = running.result()
    assert [(row.student, row.status, row.score) for row in rows] == [
        (student, "graded", 5.0) for student in students
    ]
    assert len(kernels(begun)) == len(students) + 1, "the lost one was run again"
    go_on = grade("ps1", course.root, sandbox=False, force=True)
    assert untimed(go_on) == untimed(rows)
    assert marks(course) == dict.fromkeys(students, 5.0)


def test_a_submission_that_no_worker_lives_through_costs_only_itself(
    course: TinyCourse, tmp_path: Path
) -> None:
    course.configure(PATIENT)
    begun, go = tmp_path / "begun", tmp_path / "go"
    course.hand_in("ada", {**ANSWERS, "add": meeting(begun, go)})
    course.hand_in("ben")
    with (
        dask_cluster(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as cluster,
        ThreadPoolExecutor() as pool,
    ):
        worker = cluster.worker("--no-nanny")
        running = pool.submit(
            grade, "ps1", course.root, sandbox=False, scheduler=cluster.address
        )
        wait_for(lambda: kernels(begun) or running.done())
        worker.kill()
        cluster.worker("--no-nanny")
        ada, ben = running.result()
    assert (ada.status, ada.score) == ("error", 0.0)
    assert "1 workers that had it died" in str(ada.message)
    assert (ben.status, ben.score) == ("graded", 5.0)
    go.touch()
    assert [row.score for row in grade("ps1", course.root, sandbox=False)] == [5.0, 5.0]


def test_a_scheduler_that_dies_is_told_in_one_line_and_its_kernels_end(
    course: TinyCourse, cluster: DaskCluster, tmp_path: Path
) -> None:
    course.configure(PATIENT)
    begun, go = tmp_path / "begun", tmp_path / "go"
    course.hand_in("ada")
    course.hand_in("ben", {**ANSWERS, "add": meeting(begun, go)})
    cluster.worker()
    grader = start_grader(course, cluster)
    wait_for(lambda: (kernels(begun) and marks(course)) or grader.poll() is not None)
    cluster.scheduler.kill()
    out, err = grader.communicate(timeout=120)
    assert (grader.returncode, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(
        f"{cluster.address}: the connection to the scheduler is lost"
    )
    wait_for(lambda: not psutil.pid_exists(kernels(begun)[0]))
    assert marks(course) == {"ada": 5.0}


def test_an_interrupt_stops_what_runs_on_the_workers(
    course: TinyCourse, cluster: DaskCluster, tmp_path: Path
) -> None:
    course.configure(PATIENT)
    begun, go = tmp_path / "begun", tmp_path / "go"
    course.hand_in("ada", {**ANSWERS, "add": meeting(begun, go)})
    worker = cluster.worker("--no-nanny")
    grader = start_grader(course, cluster)
    wait_for(lambda: kernels(begun) or grader.poll() is not None)
    grader.send_signal(signal.SIGINT)
    assert grader.communicate(timeout=120) == ("", "stopped\n")
    assert grader.returncode == 130
    wait_for(lambda: not psutil.pid_exists(kernels(begun)[0]))
    assert worker.poll() is None


@pytest.mark.parametrize(
    ("address", "said", "status"),
    [
        ("tcp://127.0.0.1:1", "no Dask scheduler answers there", 1),
        ("tls://127.0.0.1:1", "TLS needs certificates", 2),
        ("bogus://127.0.0.1:1", "unknown address scheme", 2),
        ("tcp://127.0.0.1:x", "invalid", 2),
    ],
)
def test_an_address_where_no_scheduler_is_is_told_in_one_line(
    course: TinyCourse,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    said: str,
    status: int,
) -> None:
    monkeypatch.setattr(remote, "CONNECT", 0.5)
    course.hand_in("ada")
    arguments = ["grade", "ps1", "--root", str(course.root), "--scheduler", address]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == status, result.output
    (line,) = result.stderr.splitlines()
    assert address in line
    assert said in line


def test_a_scheduler_without_workers_is_told_in_one_line(
    course: TinyCourse, cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "CONNECT", 1.0)
    course.hand_in("ada")
    with pytest.raises(RoadmapError, match="no worker is connected"):
        grade("ps1", course.root, scheduler=cluster.address)


NO_ISOLATION = (
    "from roadmap.grading import engine; engine.available = lambda: ['no namespaces']"
)
OTHER_RELEASE = "from roadmap.grading import parcel; parcel.release = lambda: '0.0.9'"
NO_ROADMAP = """
import importlib.metadata as metadata, sys
found = metadata.version
def version(name):
    if name == "python-backend-roadmap":
        raise metadata.PackageNotFoundError(name)
    return found(name)
metadata.version = version
sys.modules["roadmap"] = None
"""


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (NO_ISOLATION, "cannot isolate learners' code: no namespaces; --no-sandbox"),
        (OTHER_RELEASE, "the roadmap here is 0.0.9, the grader's is "),
        (NO_ROADMAP, "python-backend-roadmap is not installed for this worker"),
    ],
)
def test_a_worker_that_is_not_fit_refuses_in_one_line_naming_its_host(
    course: TinyCourse, cluster: DaskCluster, first: str, said: str
) -> None:
    course.hand_in("ada")
    cluster.worker("--no-nanny", first=first)
    arguments = ["grade", "ps1", "--root", str(course.root)]
    arguments += ["--scheduler", cluster.address]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    assert said in line
    assert line.startswith((f"{socket.gethostname()}: ", "tcp://127.0.0.1:"))
    assert not (course.root / "autograded").exists()
    if first is NO_ISOLATION:
        allowed = CliRunner().invoke(main, [*arguments, "--no-sandbox"])
        assert allowed.exit_code == 0, allowed.output
        assert marks(course) == {"ada": 5.0}
