"""The answers file: what it means, and its errors with file and line."""

from __future__ import annotations

import nbformat
import pytest

from roadmap.lessons.answers import fill, read_answers, read_excuses, references
from roadmap.lessons.build import build
from roadmap.lessons.problems import LessonError

from .conftest import LESSON, CourseFolder

ANSWERS = "course/phase1_basics/answers/01_adding.md"
WRONG = """\
```python answer="add" verdict="wrong" why="subtracts"
def add(a, b):
    return a - b
```
"""


def test_answers_are_read_in_file_order(course: CourseFolder) -> None:
    course.write(LESSON)
    right = WRONG.replace("wrong", "right").replace("a - b", "b + a")
    course.write(f"# Answers\n\n{WRONG}\n{right}", ANSWERS)
    first, second = read_answers(course.root, "phase1_basics", "01_adding")
    assert (first.exercise, first.right, first.why, first.line) == (
        "add",
        False,
        "subtracts",
        3,
    )
    assert first.source == "def add(a, b):\n    return a - b"
    assert second.right


def test_an_excused_mutant_is_no_answer(course: CourseFolder) -> None:
    course.write(LESSON)
    excuse = WRONG.replace("wrong", "equivalent").replace("subtracts", "never negative")
    course.write(f"{WRONG}\n{excuse}", ANSWERS)
    where = (course.root, "phase1_basics", "01_adding")
    assert [answer.line for answer in read_answers(*where)] == [1]
    (found,) = read_excuses(*where)
    assert (found.exercise, found.why, found.line) == ("add", "never negative", 6)
    assert found.source == "def add(a, b):\n    return a - b"


def test_a_lesson_without_an_answers_file_has_none(course: CourseFolder) -> None:
    course.write(LESSON)
    assert read_answers(course.root, "phase1_basics", "01_adding") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WRONG.replace('"add"', '"sub"'), "no exercise 'sub'"),
        (WRONG.replace('"wrong"', '"bad"'), "is no verdict"),
        (WRONG.replace(' why="subtracts"', ""), "cannot read the markers"),
        (WRONG.replace('"subtracts"', '" "'), "why is empty"),
        (WRONG.replace('answer="add"', "answer=add"), "cannot read the markers"),
        (WRONG.replace(" why", ' because="x" why'), "cannot read the markers"),
        (WRONG.removesuffix("```\n"), "never closed"),
    ],
)
def test_a_wrong_answers_file_names_file_and_line(
    course: CourseFolder, text: str, message: str
) -> None:
    course.write(LESSON)
    course.write(f"\n{text}", ANSWERS)
    with pytest.raises(LessonError, match=message) as caught:
        read_answers(course.root, "phase1_basics", "01_adding")
    assert str(caught.value).startswith(f"{ANSWERS}:2: ")


def test_fill_replaces_the_whole_answer_cell_of_a_copy(course: CourseFolder) -> None:
    course.write(LESSON)
    build(course.root)
    released = nbformat.read(
        course.root / "release/phase1_basics/01_adding.ipynb", as_version=4
    )
    filled = fill(released, {"add": "def add(a, b):\n    return 3"})
    assert [cell.source for cell in filled.cells if cell.id == "add"] == [
        "def add(a, b):\n    return 3"
    ]
    assert any("NotImplementedError" in cell.source for cell in released.cells)
    with pytest.raises(KeyError):
        fill(released, {"no-such-exercise": ""})


def test_references_are_the_solutions_without_their_marks(course: CourseFolder) -> None:
    course.write(LESSON)
    build(course.root)
    source = nbformat.read(
        course.root / "source/phase1_basics/01_adding.ipynb", as_version=4
    )
    assert references(source) == {"add": "def add(a, b):\n    return a + b"}
