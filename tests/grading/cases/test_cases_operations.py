"""The grader itself in trouble: no disk, no database, killed, or not alone.

Whatever happens, nothing is half written, the reason is one line, and the next run
goes on from there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock, Timeout
from nbgrader.api import Gradebook
from sqlalchemy import create_engine, text
from tiny_course import ANSWERS, TinyCourse

from roadmap.cli import main
from roadmap.errors import RoadmapError
from roadmap.grading import engine, grade
from roadmap.grading.sandbox import available

ISOLATED = pytest.mark.skipif(bool(available()), reason="; ".join(available()))
COMMAND = [sys.executable, "-m", "roadmap.cli", "grade", "ps1"]
FULL = 5.0


def marks(root: Path) -> dict[str, float]:
    with Gradebook(f"sqlite:///{root}/gradebook.db", "tiny") as book:
        return {
            submission.student_id: submission.score
            for submission in book.assignment_submissions("ps1")
        }


def scores(grades: Path) -> dict[str, tuple[str, float]]:
    rows = json.loads(grades.read_text())
    return {row["student"]: (row["status"], row["score"]) for row in rows}


def on_a_small_disk(
    course: TinyCourse, folder: Path, size: str, script: str
) -> subprocess.CompletedProcess[str]:
    """Run a shell script with the course copied to a disk of ``size`` at ``$DISK``.

    Its ``grade NAME`` grades there, without a sandbox, writes rows to ``NAME.json`` in
    ``folder`` and tells the exit code; ``left`` lists what is in ``autograded``.
    """
    disk = folder / "disk"
    disk.mkdir()
    functions = """
    set -u
    mount -t tmpfs -o "size=$SIZE" none "$DISK" && cp -r "$COURSE/." "$DISK" || exit 77
    grade() { "$PYTHON" -m roadmap.cli grade ps1 --root "$DISK" --no-sandbox --workers 1 \
        --json "$FOLDER/$1.json"; echo "exit $?"; }
    fill() { cat /dev/zero > "$DISK/filler" 2> /dev/null; }
    left() { ls -A "$DISK"/autograded/* 2> /dev/null; }
    """
    environment = {
        "COURSE": course.root, "DISK": disk, "FOLDER": folder, "SIZE": size,
        "PYTHON": sys.executable, "TMPDIR": folder,
    }  # fmt: skip
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", functions + script],
        env={**os.environ, **{name: str(v) for name, v in environment.items()}},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 77, done.stderr
    return done


@ISOLATED
def test_full_disk_is_told_in_one_line_and_the_next_run_grades(
    course: TinyCourse, tmp_path: Path
) -> None:
    course.hand_in("ada")
    script = 'fill; grade full; left; rm "$DISK/filler"; grade free; left'
    done = on_a_small_disk(course, tmp_path, "4m", script)
    assert done.stdout.splitlines()[0] == "exit 1", done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "No space left" in done.stderr or "disk is full" in done.stderr
    assert not (tmp_path / "full.json").exists()
    assert scores(tmp_path / "free.json") == {"ada": ("graded", FULL)}
    assert "ada:" not in done.stdout.split("exit 1")[1].split("exit 0")[0]
    assert done.stdout.rstrip().endswith("ps1")


def until(condition: Callable[[], object], patience: float = 60.0) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@ISOLATED
def test_second_grader_is_turned_away_and_the_first_one_ends_well(
    course: TinyCourse, tmp_path: Path
) -> None:
    slow = "import time; time.sleep(5)\n" + ANSWERS["add"]
    course.hand_in("ada", {**ANSWERS, "add": slow})
    command = [*COMMAND, "--root", str(course.root), "--json", str(tmp_path / "rows")]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    lock = course.root / ".roadmap" / "graded" / "ps1.lock"
    until(lambda: held(lock))
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "is being graded by another" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert first.wait() == 0
    assert scores(tmp_path / "rows") == {"ada": ("graded", FULL)}
    assert marks(course.root) == {"ada": FULL}


def held(lock: Path) -> bool:
    try:
        with FileLock(lock, blocking=False):
            return False
    except Timeout:
        return True


def test_locked_postgresql_is_told_and_leaves_nothing_half_written(
    course: TinyCourse, postgresql: str
) -> None:
    impatient = "-c lock_timeout=500ms".replace(" ", "%20").replace("=", "%3D")
    url = f"{postgresql}{'&' if '?' in postgresql else '?'}options={impatient}"
    course.configure(f"c.CourseDirectory.db_url = {url!r}\n")
    course.hand_in("ada")
    course.hand_in("ben", {})
    grade("ps1", course.root, students=["ben"])
    engine = create_engine(postgresql)
    with engine.connect() as other:
        other.execute(text("LOCK TABLE grade IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(RoadmapError, match="lock timeout") as caught:
            grade("ps1", course.root)
        other.rollback()
    engine.dispose()
    assert "\n" not in str(caught.value)
    assert not (course.root / "autograded" / "ada").exists()
    rows = grade("ps1", course.root)
    assert {row.student: row.score for row in rows} == {"ada": FULL, "ben": 0.0}


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
