"""A learner's copy: lessons arrive, what the learner changed is never overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadmap.errors import RoadmapError
from roadmap.lessons.work import start


@pytest.fixture
def root(tmp_path: Path) -> Path:
    release(tmp_path, "first")
    return tmp_path


def release(root: Path, text: str, name: str = "01_a.ipynb") -> None:
    path = root / "release/phase1_basics" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_first_start_copies_everything(root: Path) -> None:
    report = start(root, root / "work")
    assert report.added == ["phase1_basics/01_a.ipynb"]
    assert (root / "work/phase1_basics/01_a.ipynb").read_text() == "first"


def test_a_second_start_changes_nothing(root: Path) -> None:
    start(root, root / "work")
    report = start(root, root / "work")
    assert (report.added, report.updated, report.beside) == ([], [], [])


def test_an_untouched_lesson_is_updated_and_a_new_one_added(root: Path) -> None:
    start(root, root / "work")
    release(root, "second")
    release(root, "new", "02_b.ipynb")
    report = start(root, root / "work")
    assert report.updated == ["phase1_basics/01_a.ipynb"]
    assert report.added == ["phase1_basics/02_b.ipynb"]
    assert (root / "work/phase1_basics/01_a.ipynb").read_text() == "second"


def test_a_changed_lesson_is_kept_and_its_new_version_put_beside_it_once(
    root: Path,
) -> None:
    work = root / "work"
    start(root, work)
    (work / "phase1_basics/01_a.ipynb").write_text("my answers")
    assert start(root, work).beside == []
    release(root, "second")
    assert start(root, work).beside == ["phase1_basics/01_a.new.ipynb"]
    assert start(root, work).beside == []
    assert (work / "phase1_basics/01_a.ipynb").read_text() == "my answers"
    assert (work / "phase1_basics/01_a.new.ipynb").read_text() == "second"


def test_without_its_list_of_delivered_files_nothing_is_overwritten(root: Path) -> None:
    work = root / "work"
    start(root, work)
    (work / ".roadmap.json").write_text("{not json")
    release(root, "second")
    assert start(root, work).beside == ["phase1_basics/01_a.new.ipynb"]
    assert (work / "phase1_basics/01_a.ipynb").read_text() == "first"


def test_a_place_that_cannot_be_written_is_one_line(root: Path) -> None:
    (root / "work").write_text("a file")
    with pytest.raises(RoadmapError) as caught:
        start(root, root / "work")
    assert str(root / "work") in str(caught.value)


def test_without_a_release_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(RoadmapError, match="roadmap build"):
        start(tmp_path, tmp_path / "work")
