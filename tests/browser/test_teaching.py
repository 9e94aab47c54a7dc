"""An instructor's first minutes: the demo class is graded, and formgrader lists it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WAIT = 60_000
LEARNERS = ("ada", "ben", "cem", "dora", "eli", "fay", "gus", "hal")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo class in a copy of the course, and what `roadmap demo` printed."""
    root = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "nbgrader_config.py", root)
    for folder in ("course", "source", "release"):
        shutil.copytree(ROOT / folder, root / folder)
    done = subprocess.run(
        [sys.executable, "-m", "roadmap.cli", "demo"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return root, done.stdout


def test_the_demo_prints_every_learner_and_writes_feedback(
    demo: tuple[Path, str],
) -> None:
    root, said = demo
    for status in ("graded", "invalid", "timeout", "kernel_died", "tampered"):
        assert status in said
    for learner in LEARNERS:
        assert learner in said
    assert "UNEXPECTED" not in said
    pages = list((root / "demo/feedback/ada").rglob("*.html"))
    source = root / "demo/source/phase1_basics"
    notebooks = {path.stem for path in source.glob("*.ipynb")}
    assert {path.stem for path in pages} == notebooks | {"index"}


def test_the_demo_touches_nothing_but_its_own_folder(demo: tuple[Path, str]) -> None:
    root, _ = demo
    assert {path.name for path in root.iterdir()} <= {
        "nbgrader_config.py",
        "course",
        "source",
        "release",
        "demo",
        ".roadmap",
    }
    for folder in ("course", "source", "release"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file():
                assert (root / path.relative_to(ROOT)).read_bytes() == path.read_bytes()


def test_grading_the_demo_class_again_gives_the_same_rows_at_once(
    demo: tuple[Path, str], tmp_path: Path
) -> None:
    root, _ = demo
    command = [
        sys.executable,
        "-m",
        "roadmap.cli",
        "grade",
        "phase1_basics",
        "--root",
        "demo",
    ]
    rows = []
    for number in range(2):
        out = tmp_path / f"{number}.json"
        subprocess.run(
            [*command, "--json", str(out)], cwd=root, check=True, capture_output=True
        )
        rows.append(json.loads(out.read_text()))
    assert rows[0] == rows[1]
    assert len(rows[0]) == len(LEARNERS) * len(
        list((root / "demo/source/phase1_basics").glob("*.ipynb"))
    )


def test_formgrader_lists_the_graded_class(
    chromium: Any,
    jupyterlab: Callable[[Path], str],
    demo: tuple[Path, str],
    pictures: Path,
) -> None:
    root, _ = demo
    page = chromium.new_page(viewport={"width": 1600, "height": 1000})
    page.goto(f"{jupyterlab(root / 'demo')}/lab?reset")
    page.get_by_role("menuitem", name="Nbgrader", exact=True).click(timeout=WAIT)
    page.get_by_role("menuitem", name="Formgrader").first.click(timeout=WAIT)
    frame = page.frame_locator("iframe").first
    row = frame.get_by_role("row").filter(has_text="phase1_basics")
    row.wait_for(timeout=WAIT)
    row.evaluate("e => e.scrollIntoView({block: 'center'})")
    page.screenshot(path=pictures / "formgrader.png")
    assert str(len(LEARNERS)) in row.inner_text().split()
    frame.get_by_role("link", name="Manage Students").click()
    for learner in LEARNERS:
        frame.get_by_role("row").filter(has_text=learner).wait_for(timeout=WAIT)
    page.screenshot(path=pictures / "formgrader-students.png")
    page.close()


def test_formgrader_opens_a_graded_submission(
    chromium: Any,
    jupyterlab: Callable[[Path], str],
    demo: tuple[Path, str],
    pictures: Path,
) -> None:
    root, _ = demo
    page = chromium.new_page(viewport={"width": 1200, "height": 1000})
    gradebook = f"{jupyterlab(root / 'demo')}/formgrader/gradebook"
    page.goto(f"{gradebook}/phase1_basics/01_values_and_names/")
    page.get_by_role("link", name="Submission #1", exact=True).click(timeout=WAIT)
    score = page.locator("input.score").first
    score.wait_for(timeout=WAIT)
    page.wait_for_function(
        "document.querySelector('input.score').placeholder !== ''", timeout=WAIT
    )
    assert page.locator("input.score").count() > 10
    assert page.get_by_text("BEGIN HIDDEN TESTS").first.is_visible()
    page.screenshot(path=pictures / "formgrader-submission.png")
    page.close()
