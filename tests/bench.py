"""``make bench``: figures from one run, and their ratios. Nothing here is asserted."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from roadmap.lessons.files import read_tree

ROOT = Path(__file__).parents[1]
LESSONS = 50


def seconds(command: list[str], folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def bench_build() -> None:
    """A full, a one-lesson and a no-op build of many copies of a real lesson."""
    lesson = (ROOT / "course/phase1_basics/09_mutable_or_not.md").read_text()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(LESSONS):
            path = root / "course" / f"phase{number % 5}_copy" / f"{number:02}_copy.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(lesson.replace('="mutable-', f'="copy{number}-'))
        command = [sys.executable, "-m", "roadmap.cli", "build"]
        full = seconds(command, root)
        path.write_text(path.read_text() + "\nOne more sentence.\n")
        one = seconds(command, root)
        no_op = seconds(command, root)
        check = seconds([*command, "--check"], root)
        files = len(read_tree(root, ("source", "release")))
    print(
        f"build, {LESSONS} lessons of {len(lesson.splitlines())} lines, {files} files made"
    )
    print(f"  full              {full:6.2f} s  {full / LESSONS * 1000:.0f} ms a lesson")
    print(f"  one lesson        {one:6.2f} s  {full / one:.0f} times faster than full")
    print(
        f"  nothing to do     {no_op:6.2f} s  {full / no_op:.0f} times faster than full"
    )
    print(f"  --check           {check:6.2f} s")


if __name__ == "__main__":
    bench_build()
