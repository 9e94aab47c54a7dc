"""Every lesson's answers file holds: right answers earn all points, wrong ones a message.

``ROADMAP_REPEATS=20 pytest tests/course/test_answers.py`` grades all of them twenty times:
twins are made by chance, and no honest answer may ever be taken for a forged one.
"""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path

import pytest

from roadmap.grading import Row, grade
from roadmap.grading.sandbox import available
from roadmap.lessons.answers import Answer, read_answers, references

from .conftest import COURSE, LESSONS, ROOT, make_class_folder, notebook

REPEATS = int(os.environ.get("ROADMAP_REPEATS", "1"))
REFERENCE = "reference"
EXERCISES = {
    (phase.name, lesson.name): {exercise.id: exercise for exercise in lesson.exercises}
    for phase, lesson in COURSE.lessons()
}


def by_exercise(phase: str, lesson: str) -> dict[str, list[Answer]]:
    answers = sorted(
        read_answers(ROOT, phase, lesson), key=lambda answer: answer.exercise
    )
    return {name: list(group) for name, group in groupby(answers, lambda a: a.exercise)}


@pytest.mark.parametrize(("phase", "lesson"), LESSONS)
def test_every_exercise_has_two_wrong_answers_and_another_right_one(
    phase: str, lesson: str
) -> None:
    answers = by_exercise(phase, lesson)
    reference = references(notebook("source", phase, lesson))
    for exercise in EXERCISES[phase, lesson]:
        right = [answer for answer in answers.get(exercise, []) if answer.right]
        wrong = [answer for answer in answers.get(exercise, []) if not answer.right]
        assert len(wrong) >= 2, f"{exercise}: give two wrong answers or more"
        assert right, f"{exercise}: give a right answer that is not the reference"
        assert all(
            answer.source.strip() != reference[exercise].strip() for answer in right
        ), exercise


@pytest.mark.parametrize(("phase", "lesson"), LESSONS)
def test_right_answers_earn_all_points_and_wrong_ones_a_message_that_teaches(
    tmp_path: Path, phase: str, lesson: str
) -> None:
    """One learner gives every exercise's first answer, the next the second, and so on."""
    answers = by_exercise(phase, lesson)
    reference = references(notebook("source", phase, lesson))
    learners = {REFERENCE: {lesson: reference}}
    for number in range(max(map(len, answers.values()))):
        given = {
            name: list_[number].source
            for name, list_ in answers.items()
            if number < len(list_)
        }
        learners[f"learner{number:02}"] = {lesson: reference | given}
    make_class_folder(tmp_path, phase, learners)
    faults = []
    for _ in range(REPEATS):
        graded = grade(phase, tmp_path, sandbox=not available(), force=True)
        rows = {row.student: row for row in graded if row.notebook == lesson}
        faults += reference_faults(rows[REFERENCE])
        for name, list_ in answers.items():
            for number, answer in enumerate(list_):
                fault = verdict(answer, name, rows[f"learner{number:02}"])
                if fault:
                    faults.append(f"{answer.path}:{answer.line}: {fault}")
    assert faults == []


def reference_faults(row: Row) -> list[str]:
    """What is wrong with how the lesson's own answers were judged, if anything."""
    if row.status == "graded" and row.score == row.max_score:
        return []
    return [f"the lesson's own answers: {row.status}, {row.message}: {row.cells}"]


def verdict(answer: Answer, exercise: str, row: Row) -> str | None:
    """What is wrong with how an answer was judged, if anything."""
    if row.status != "graded":
        return f"status {row.status}: {row.message}"
    phase_lesson = (row.assignment, row.notebook)
    cells = [row.cells[check.id] for check in EXERCISES[phase_lesson][exercise].checks]
    failed = [cell for cell in cells if cell.message is not None]
    if answer.right:
        return f"a right answer fails: {failed[0].message}" if failed else None
    if not failed:
        return f"a wrong answer passes ({answer.why})"
    if not any(len(cell.message or "") >= 30 for cell in failed):
        return f"the message teaches nothing: {failed[0].message!r}"
    return None
