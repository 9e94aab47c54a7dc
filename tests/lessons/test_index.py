"""The index: round trip, selection, and errors that name the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadmap.errors import RoadmapError, UsageError
from roadmap.lessons.index import INDEX_FILE, Course

GOLDEN = Path(__file__).parent / "golden"


def test_the_index_reads_back_what_it_wrote() -> None:
    course = Course.find(GOLDEN / "release" / "phase1_basics")
    assert Course.from_json(course.to_json()) == course
    ((_, lesson), *_) = course.select(["01_adding"])
    assert (lesson.title, lesson.minutes, lesson.points) == (
        "Adding & <counting>",
        20,
        2.5,
    )
    assert lesson.resource == "[a book](https://example.org), the chapter on sums."
    assert lesson.exercises[0].section == "Section"
    assert [check.id for check in lesson.exercises[0].checks] == [
        "test-add",
        "test-add-negative",
    ]
    assert [check.hidden for check in lesson.exercises[0].checks] == [1, 1]


@pytest.mark.parametrize(
    ("names", "lessons"),
    [
        ([], ["00_hello", "01_adding"]),
        (["phase1_basics"], ["01_adding"]),
        (["phase1_basics/"], ["01_adding"]),
        (["phase1_basics/01_adding", "01_adding"], ["01_adding"]),
        (["01_adding", "start_here"], ["01_adding", "00_hello"]),
        (["01"], ["01_adding"]),
        (["01_ad"], ["01_adding"]),
        (["phase1_basics/01"], ["01_adding"]),
        (["work/phase1_basics/01_adding.ipynb"], ["01_adding"]),
        (["01_adding.ipynb"], ["01_adding"]),
        (["./01_adding.ipynb"], ["01_adding"]),
    ],
)
def test_lessons_are_selected_by_phase_or_name(
    names: list[str], lessons: list[str]
) -> None:
    chosen = Course.find(GOLDEN).select(names)
    assert [lesson.name for _, lesson in chosen] == lessons


@pytest.mark.parametrize(
    "name", ["phase9", "phase9/01_adding", "work/phase9/01_adding.ipynb", "02", "phase"]
)
def test_an_unknown_name_is_a_usage_error(name: str) -> None:
    with pytest.raises(
        UsageError, match=rf"{name}: no such phase or lesson.*phase1_basics"
    ):
        Course.find(GOLDEN).select([name])


def test_a_beginning_that_several_lessons_share_names_them() -> None:
    with pytest.raises(
        UsageError, match=r"several.*start_here/00_hello, phase1_basics/01_adding"
    ):
        Course.find(GOLDEN).select(["0"])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 99}', '{"schema": 1, "phases": [1]}']
)
def test_a_spoilt_index_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / INDEX_FILE
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(RoadmapError, match="roadmap build") as caught:
        Course.find(tmp_path)
    assert str(path) in str(caught.value)


def test_no_index_anywhere_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(RoadmapError, match="roadmap build"):
        Course.find(tmp_path)
