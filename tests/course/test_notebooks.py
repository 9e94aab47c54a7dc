"""Every notebook: runs clean, gives its reference all points, gives its release none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from roadmap.grading.sandbox import KERNEL_NAME, available, served
from roadmap.lessons.answers import references
from roadmap.lessons.run import run

from .conftest import COURSE, LESSONS, PHASES, make_class_folder, nbgrader, notebook

ROOT = Path(__file__).parents[2]
RELEASED = [(phase.name, lesson.name) for phase, lesson in COURSE.lessons()]


FAST = [] if available() else [f"--ExecutePreprocessor.kernel_name={KERNEL_NAME}"]


@pytest.fixture(scope="module")
def kernel_name() -> Iterator[str | None]:
    """The kernel to run notebooks in: the sandbox's, which starts fast, if there is one."""
    with nullcontext() if available() else served():
        yield None if available() else KERNEL_NAME


def test_papermill_runs_every_notebook_clean(kernel_name: str | None) -> None:
    results = run(ROOT, RELEASED, workers=2, kernel_name=kernel_name)
    assert [(result.phase, result.lesson) for result in results] == RELEASED
    assert [result for result in results if result.error] == []


@pytest.mark.parametrize("phase", PHASES)
def test_nbgrader_gives_the_references_every_point_and_the_release_none(
    tmp_path: Path, phase: str
) -> None:
    lessons = [lesson for name, lesson in LESSONS if name == phase]
    right = {
        lesson: references(notebook("source", phase, lesson)) for lesson in lessons
    }
    make_class_folder(tmp_path, phase, {"reference": right, "untouched": {}})
    nbgrader(tmp_path, "generate_assignment", phase)
    nbgrader(tmp_path, "autograde", phase, *FAST)
    possible = sum(p.points for p in COURSE.phases if p.name == phase)
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as gradebook:
        reference = gradebook.find_submission(phase, "reference")
        lost = [
            f"{grade.notebook.name}: {grade.name}"
            for grade in (g for nb in reference.notebooks for g in nb.grades)
            if grade.auto_score != grade.max_score
        ]
        untouched = gradebook.find_submission(phase, "untouched")
        assert lost == []
        assert (reference.score, reference.max_score) == (possible, possible)
        assert untouched.score == 0


def test_nbgraders_generate_assignment_gives_the_same_release(tmp_path: Path) -> None:
    """An instructor who uses nbgrader's own command changes nothing that git tracks."""
    phase = PHASES[-1]
    make_class_folder(tmp_path, phase, {})
    nbgrader(tmp_path, "generate_assignment", phase)
    for path in (ROOT / "release" / phase).rglob("*"):
        if path.is_file():
            made = (
                tmp_path
                / "release"
                / phase
                / path.relative_to(ROOT / "release" / phase)
            )
            assert made.read_bytes() == path.read_bytes(), path


@pytest.mark.parametrize(("phase", "lesson"), RELEASED)
def test_the_release_leaks_nothing(phase: str, lesson: str) -> None:
    """No mark, no hidden line and no line of a solution that is not elsewhere in the lesson."""
    released = notebook("release", phase, lesson)
    text = "\n".join(cell.source for cell in released.cells)
    assert not re.search(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)", text)
    shown = set(map(str.strip, text.splitlines()))
    for cell in notebook("source", phase, lesson).cells:
        for kind in ("SOLUTION", "HIDDEN TESTS"):
            for body in re.findall(
                rf"BEGIN {kind}\n(.*?)### END {kind}", cell.source, re.DOTALL
            ):
                secret = [line.strip() for line in body.splitlines() if line.strip()]
                leaked = [line for line in secret if len(line) > 30 and line in shown]
                assert len(leaked) <= len(secret) // 3, (cell.id, leaked)
    assert all(not cell.get("outputs") for cell in released.cells)


@pytest.mark.parametrize(("phase", "lesson"), LESSONS)
def test_the_release_has_a_stub_in_every_answer_cell(phase: str, lesson: str) -> None:
    answers = [
        cell
        for cell in notebook("release", phase, lesson).cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    ]
    assert answers
    assert all("NotImplementedError" in cell.source for cell in answers)


def test_a_course_has_no_two_cells_of_one_grade_id() -> None:
    ids = [
        cell.id
        for phase, lesson in RELEASED
        for cell in notebook("source", phase, lesson).cells
        if "nbgrader" in cell.metadata
    ]
    assert len(ids) == len(set(ids)) > 0
