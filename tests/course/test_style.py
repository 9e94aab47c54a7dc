"""What lessons.md asks of every lesson and a machine can see."""

from __future__ import annotations

import json
import re

import pytest

from .conftest import COURSE, LESSONS, ROOT, notebook

TEACHING = [pair for pair in LESSONS if pair[0] != "start_here"]
INDEX = {(phase.name, lesson.name): lesson for phase, lesson in COURSE.lessons()}


def prose(phase: str, lesson: str) -> str:
    cells = notebook("release", phase, lesson).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize(("phase", "lesson"), LESSONS)
def test_the_header_says_what_for_what_first_how_long_and_where_from(
    phase: str, lesson: str
) -> None:
    header = notebook("release", phase, lesson).cells[0].source
    assert re.search(r"\*\*After this \w+,? you can", header)
    assert re.search(r"\*\*You need", header)
    assert INDEX[phase, lesson].minutes, "say **Time:** about NN minutes"
    assert "](https://" in header, "link the roadmap's own resource"
    assert 3 <= len(re.findall(r"^- ", header, re.MULTILINE)) <= 5


@pytest.mark.parametrize(("phase", "lesson"), LESSONS)
def test_the_set_up_cell_loads_the_checklist(phase: str, lesson: str) -> None:
    first = next(
        c for c in notebook("release", phase, lesson).cells if c.cell_type == "code"
    )
    assert first.source.startswith("%load_ext roadmap\n")


@pytest.mark.parametrize(("phase", "lesson"), LESSONS)
def test_the_lesson_has_its_parts_in_order(phase: str, lesson: str) -> None:
    text = prose(phase, lesson)
    parts = ["Predict, then run", "**The rule.**", "## Common mistakes", "## Recap"]
    at = [text.find(part) for part in parts]
    assert -1 not in at, dict(zip(parts, at, strict=True))
    assert at[2:] == sorted(at[2:])
    assert "```mermaid" in text


@pytest.mark.parametrize(("phase", "lesson"), TEACHING)
def test_a_lesson_has_five_to_twelve_exercises_with_hints_and_a_practice_set_fifteen(
    phase: str, lesson: str
) -> None:
    exercises = INDEX[phase, lesson].exercises
    if lesson.endswith("_practice_set"):
        assert len(exercises) == 15
    else:
        assert 5 <= len(exercises) <= 12
    hints = prose(phase, lesson).count("<summary>Hint")
    assert hints >= 2 * len(exercises)
    assert all(exercise.points > 0 for exercise in exercises)


@pytest.mark.parametrize(("phase", "lesson"), LESSONS)
def test_every_check_says_which_behaviour_it_checks_and_every_assert_has_a_message(
    phase: str, lesson: str
) -> None:
    import ast

    for cell in notebook("source", phase, lesson).cells:
        if not cell.metadata.get("nbgrader", {}).get("grade"):
            continue
        tree = ast.parse(cell.source)
        assert ast.get_docstring(tree), f"{cell.id} begins with a docstring"
        asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
        bare = [node.lineno for node in asserts if node.msg is None]
        assert bare == [], f"{cell.id}: assert without a message in lines {bare}"


@pytest.mark.parametrize(("phase", "lesson"), LESSONS)
def test_the_recap_asks_four_to_six_questions(phase: str, lesson: str) -> None:
    cells = [
        c.source
        for c in notebook("release", phase, lesson).cells
        if c.cell_type == "code"
    ]
    names = [m[1] for source in cells if (m := re.fullmatch(r'quiz\("(.+)"\)', source))]
    assert names, "no quiz in the lesson"
    recap = json.loads(
        (ROOT / "release" / phase / "quizzes" / f"{names[-1]}.json").read_text()
    )
    assert 4 <= len(recap) <= 6


@pytest.mark.parametrize(("phase", "lesson"), LESSONS)
def test_no_code_line_is_wider_than_the_page(phase: str, lesson: str) -> None:
    for cell in notebook("release", phase, lesson).cells:
        if cell.cell_type == "code":
            wide = [line for line in cell.source.splitlines() if len(line) > 100]
            assert wide == [], cell.id
