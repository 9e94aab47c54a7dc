"""Honest work is never taken for forged: every right answer of the course is proved.

``ROADMAP_REPEATS=20 pytest tests/course/test_honest_work.py`` proves all of them twenty
times: twins are made by chance.
"""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from roadmap.grading import grade
from roadmap.grading.sandbox import available
from roadmap.lessons.answers import read_answers, references

from .conftest import LESSONS, ROOT, make_class_folder, notebook

REPEATS = int(os.environ.get("ROADMAP_REPEATS", "1"))


@pytest.mark.parametrize(("phase", "lesson"), LESSONS)
def test_right_answers_are_proved_and_none_is_flagged(
    tmp_path: Path, phase: str, lesson: str
) -> None:
    """Learner n gives every exercise's n-th right answer, the first the lesson's own."""
    right: dict[str, list[str]] = {}
    for answer in read_answers(ROOT, phase, lesson):
        if answer.right:
            right.setdefault(answer.exercise, []).append(answer.source)
    reference = references(notebook("source", phase, lesson))
    learners = {}
    for number in range(1 + max(map(len, right.values()))):
        given = {
            name: list_[number - 1]
            for name, list_ in right.items()
            if 0 < number <= len(list_)
        }
        learners[f"learner{number}"] = {lesson: reference | given}
    make_class_folder(tmp_path, phase, learners, only=lesson)
    for path in tmp_path.glob(f"submitted/*/{phase}/{lesson}.ipynb"):
        run_it_twice(path)
    for _ in range(REPEATS):
        graded = grade(phase, tmp_path, sandbox=not available(), force=True)
        assert len(graded) == len(learners)
        for row in graded:
            assert (row.status, row.score) == ("graded", row.max_score), row


def run_it_twice(path: Path) -> None:
    """Have code in the notebook that could forge, so that reading it is no proof."""
    nb = nbformat.read(path, as_version=4)
    nb.cells.insert(0, v4.new_code_cell("import gc"))
    nbformat.write(nb, path)
