"""A disk that is full: one line says so, and nothing that was graded is lost.

The disk is a small tmpfs in a mount namespace of the grader's own.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from tiny_course import ANSWERS, TinyCourse

from roadmap.grading import grade

UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(
    not can_mount(), reason="no user and mount namespaces for a disk of a test's own"
)


def grade_on_a_small_disk(
    course: TinyCourse, folder: str, kilobytes: int, before: str = "", after: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run ``roadmap grade`` with ``folder`` of the course on a disk of that size."""
    arguments = ["-m", "roadmap.cli", "grade", "ps1", "--no-sandbox", "--workers", "1"]
    script = [
        f"mount -t tmpfs -o size={kilobytes}k tmpfs {folder} || exit 99",
        before,
        shlex.join([sys.executable, *arguments]),
        "status=$?",
        after,
        "exit $status",
    ]
    return subprocess.run(
        [*UNSHARE, "sh", "-c", "\n".join(script)],
        cwd=course.root,
        capture_output=True,
        text=True,
        timeout=120,
    )


def marks(database: Path) -> dict[str, float]:
    with Gradebook(f"sqlite:///{database}", "tiny") as book:
        found = book.assignment_submissions("ps1")
        return {submission.student_id: submission.score for submission in found}


def test_full_autograded_folder(course: TinyCourse) -> None:
    course.hand_in("ada")
    course.hand_in("ben")
    (course.folder("ben") / "data.bin").write_bytes(bytes(500_000))
    (course.root / "autograded").mkdir()
    done = grade_on_a_small_disk(
        course, "autograded", 200, after="cp -r autograded kept"
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    where = course.root / "autograded" / "ben" / "ps1"
    assert line.startswith(f"{where}: cannot be written: No space left on device; make")
    assert marks(course.root / "gradebook.db") == {"ada": 5.0}, "only what is there"
    kept = [path.relative_to(course.root) for path in (course.root / "kept").rglob("*")]
    assert max(map(str, kept)) == "kept/ada/ps1/p1.ipynb", "and no half of ben's"
    rows = grade("ps1", course.root, sandbox=False)
    assert [(row.student, row.score) for row in rows] == [("ada", 5.0), ("ben", 5.0)]


def test_full_disk_of_the_gradebook(course: TinyCourse) -> None:
    course.configure("c.CourseDirectory.db_url = 'sqlite:///books/gradebook.db'\n")
    (course.root / "books").mkdir()
    (course.root / "gradebook.db").rename(course.root / "books" / "gradebook.db")
    course.hand_in("ada", {"add": ANSWERS["add"]})
    grade("ps1", course.root, sandbox=False)
    course.hand_in("ben")
    shutil.copy(course.root / "books" / "gradebook.db", course.root / "copy.db")
    done = grade_on_a_small_disk(
        course,
        "books",
        1000,
        before="cp copy.db books/gradebook.db; cat /dev/zero > books/fill 2> /dev/null",
        after="cp books/gradebook.db kept.db",
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"sqlite:///{course.root}/books/gradebook.db: ")
    assert "database or disk is full" in line
    assert marks(course.root / "kept.db") == {"ada": 2.0}
    assert not (course.root / "autograded" / "ben" / "ps1").exists()
    rows = grade("ps1", course.root, sandbox=False)
    assert [(row.student, row.score) for row in rows] == [("ada", 2.0), ("ben", 5.0)]
