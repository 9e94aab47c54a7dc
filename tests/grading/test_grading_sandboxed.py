"""`roadmap grade` in the sandbox: the default, it holds, and it is refused where it cannot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from tiny_course import ANSWERS, TinyCourse

from roadmap.cli import main
from roadmap.errors import RoadmapError
from roadmap.grading import engine, grade
from roadmap.grading.sandbox import available

ISOLATED = pytest.mark.skipif(bool(available()), reason="; ".join(available()))
ADD = ANSWERS["add"]


def prying(expression: str) -> str:
    """An answer that is right, and whose second exercise says what it has seen."""
    return f"def double(n):\n    raise ValueError(repr({expression}))"


@ISOLATED
@pytest.mark.parametrize(
    "expression",
    [
        "open({secret!r}).read()",
        "__import__('os').listdir({root!r})",
        "open({root!r} + '/gradebook.db', 'rb').read(4)",
        "open({root!r} + '/source/ps1/p1.ipynb').read()",
        "open('/root/.bashrc').read()",
    ],
)
def test_nothing_of_the_course_or_the_home_can_be_read(
    course: TinyCourse, tmp_path: Path, expression: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the-secret-word")
    code = expression.format(secret=str(secret), root=str(course.root))
    course.hand_in("eve", {"add": ADD, "double": prying(code)})
    (row,) = grade("ps1", course.root)
    message = row.cells["test-double"].message or ""
    assert "FileNotFoundError" in message or "PermissionError" in message, message
    assert row.cells["test-add"].score == 2.0


@ISOLATED
def test_the_graders_environment_is_not_the_learners(
    course: TinyCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADMAP_GRADEBOOK_URL", "postgresql://teacher:word@localhost/x")
    monkeypatch.setenv("SECRET_TOKEN", "the-secret-word")
    course.hand_in("eve", {"double": prying("sorted(__import__('os').environ)")})
    (row,) = grade("ps1", course.root)
    message = row.cells["test-double"].message or ""
    assert "NBGRADER_EXECUTION" in message
    assert "SECRET" not in message
    assert "ROADMAP_GRADEBOOK_URL" not in message


@ISOLATED
def test_what_is_written_stays_in_the_sandbox(
    course: TinyCourse, tmp_path: Path
) -> None:
    target = tmp_path / "from-inside"
    course.hand_in("eve", {"add": f"open({str(target)!r}, 'w').write('x')\n{ADD}"})
    grade("ps1", course.root)
    assert not target.exists()


@ISOLATED
def test_the_graders_processes_cannot_be_killed(course: TinyCourse) -> None:
    kill = f"import os\nos.kill({os.getpid()}, 9)"
    course.hand_in("eve", {"add": ADD, "double": kill})
    (row,) = grade("ps1", course.root)
    assert row.cells["test-add"].score == 2.0
    assert row.status == "graded"


@ISOLATED
def test_a_memory_bomb_is_named_and_keeps_the_marks_before_it(
    course: TinyCourse,
) -> None:
    course.configure("c.Grader.memory_limit = 300 * 2**20\n")
    course.hand_in(
        "eve", {"add": ADD, "double": "x = []\nwhile True:\n    x.append(bytes(10**7))"}
    )
    (row,) = grade("ps1", course.root)
    assert row.score == 2.0
    assert row.status == "out_of_memory"


@ISOLATED
def test_the_settings_limits_hold(course: TinyCourse) -> None:
    course.configure("c.SandboxProvisioner.disk_limit = 10 * 2**20\n")
    fill = "open('big', 'wb').write(bytes(2 * 10**7))"
    course.hand_in("eve", {"add": ADD, "double": fill})
    (row,) = grade("ps1", course.root)
    assert row.cells["test-add"].score == 2.0
    assert row.score == 2.0
    (page,) = (course.root / "autograded/eve/ps1").glob("*.ipynb")
    assert "No space left" in page.read_text()


@ISOLATED
def test_a_killed_grader_leaves_no_process(course: TinyCourse) -> None:
    course.hand_in("eve", {"add": "import time\ntime.sleep(600)"})
    code = (
        "import sys; from pathlib import Path; from roadmap.grading import grade; "
        "grade('ps1', Path(sys.argv[1]), workers=1)"
    )
    grader = subprocess.Popen([sys.executable, "-c", code, str(course.root)])
    below = wait_for_kernel(grader.pid)
    grader.send_signal(signal.SIGKILL)
    grader.wait()
    gone, alive = psutil.wait_procs(below, timeout=20)
    assert alive == []
    assert gone


def wait_for_kernel(pid: int) -> list[psutil.Process]:
    """The processes below the grader, once they have been the same for a second."""
    seen: list[psutil.Process] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(1)
        now = psutil.Process(pid).children(recursive=True)
        if len(now) >= 4 and now == seen:
            return now
        seen = now
    raise AssertionError(f"no kernel started: {seen}")


def test_without_isolation_it_refuses_and_says_what_is_missing(
    course: TinyCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "available", lambda: ["no user namespaces"])
    course.hand_in("ada")
    with pytest.raises(
        RoadmapError, match=r"no user namespaces.*--no-sandbox"
    ) as caught:
        grade("ps1", course.root, sandbox=True)
    assert len(str(caught.value).splitlines()) == 1
    result = CliRunner().invoke(main, ["grade", "ps1", "--root", str(course.root)])
    assert result.exit_code == 1
    allowed = CliRunner().invoke(
        main, ["grade", "ps1", "--root", str(course.root), "--no-sandbox"]
    )
    assert allowed.exit_code == 0, allowed.output
    assert "graded" in allowed.output
