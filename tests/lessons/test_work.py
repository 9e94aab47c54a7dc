"""A learner's copy: lessons arrive, what the learner changed is never overwritten."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from roadmap.errors import RoadmapError
from roadmap.lessons.index import INDEX_FILE
from roadmap.lessons.work import DELIVERED, find_work, start


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


@pytest.mark.parametrize(
    "damage", ["{not json", "[1, 2]", "3", '{"files": [1]}', "\xff"]
)
def test_a_damaged_list_of_delivered_files_is_made_anew(
    root: Path, damage: str
) -> None:
    work = root / "work"
    start(root, work)
    (work / DELIVERED).write_bytes(damage.encode("latin-1"))
    release(root, "second")
    assert start(root, work).beside == ["phase1_basics/01_a.new.ipynb"]
    assert start(root, work).beside == []


def test_the_list_that_the_first_version_wrote_is_understood(root: Path) -> None:
    work = root / "work"
    start(root, work)
    files = json.loads((work / DELIVERED).read_text())["files"]
    (work / DELIVERED).write_text(json.dumps(files))
    release(root, "second")
    assert start(root, work).updated == ["phase1_basics/01_a.ipynb"]


def test_a_new_version_in_which_the_learner_works_is_kept_too(root: Path) -> None:
    work = root / "work"
    start(root, work)
    (work / "phase1_basics/01_a.ipynb").write_text("my answers")
    release(root, "second")
    start(root, work)
    release(root, "third")
    assert start(root, work).beside == ["phase1_basics/01_a.new.ipynb"]
    assert (work / "phase1_basics/01_a.new.ipynb").read_text() == "third"
    (work / "phase1_basics/01_a.new.ipynb").write_text("my answers to the third")
    release(root, "fourth")
    assert start(root, work).beside == ["phase1_basics/01_a.new2.ipynb"]
    assert (
        work / "phase1_basics/01_a.new.ipynb"
    ).read_text() == "my answers to the third"


def test_a_lesson_that_left_the_course_goes_unless_the_learner_changed_it(
    root: Path,
) -> None:
    work = root / "work"
    release(root, "b", "02_b.ipynb")
    release(root, "c", "03_c.ipynb")
    start(root, work)
    (work / "phase1_basics/03_c.ipynb").write_text("my answers")
    for name in ("02_b", "03_c"):
        (root / f"release/phase1_basics/{name}.ipynb").unlink()
    report = start(root, work)
    assert report.removed == ["phase1_basics/02_b.ipynb"]
    assert report.orphaned == ["phase1_basics/03_c.ipynb"]
    assert not (work / "phase1_basics/02_b.ipynb").exists()
    assert (work / "phase1_basics/03_c.ipynb").read_text() == "my answers"
    assert start(root, work).orphaned == []


def test_the_courses_index_is_always_the_new_one(root: Path) -> None:
    work = root / "work"
    index = root / "release" / INDEX_FILE
    index.parent.mkdir()
    index.write_text("old")
    start(root, work)
    (work / DELIVERED).unlink()
    index.write_text("new")
    assert start(root, work).updated == [INDEX_FILE.as_posix()]
    assert (work / INDEX_FILE).read_text() == "new"


def test_a_file_that_cannot_be_written_is_one_line_and_leaves_no_trace(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(target))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(RoadmapError, match=r"01_a\.ipynb: Permission denied") as caught:
        start(root, root / "work")
    assert "\n" not in str(caught.value)
    assert [path for path in (root / "work").rglob("*") if path.is_file()] == []


def test_where_nothing_is_to_be_done_nothing_is_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(root, root / "work")
    monkeypatch.setattr(Path, "replace", None)
    start(root, root / "work")


def test_a_copy_is_found_from_inside_it_and_from_the_course(root: Path) -> None:
    (root / "course").mkdir()
    start(root, root / "work")
    expected = (root, root / "work")
    for place in (root, root / "release", root / "work/phase1_basics"):
        assert find_work(place) == expected


def test_a_copy_outside_the_course_knows_where_it_belongs(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (root / "course").mkdir()
    mine = tmp_path_factory.mktemp("elsewhere") / "mine"
    start(root, mine)
    assert find_work(mine / "phase1_basics") == (root, mine)
    (root / "course").rename(root / "gone")
    with pytest.raises(RoadmapError, match=f"run `roadmap start {mine}`"):
        find_work(mine)


def test_without_a_copy_the_way_to_make_one_is_named(root: Path) -> None:
    (root / "course").mkdir()
    with pytest.raises(RoadmapError, match="roadmap start"):
        find_work(root)


def test_a_place_that_cannot_be_written_is_one_line(root: Path) -> None:
    (root / "work").write_text("a file")
    with pytest.raises(RoadmapError) as caught:
        start(root, root / "work")
    assert str(root / "work") in str(caught.value)


def test_without_a_release_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(RoadmapError, match="roadmap build"):
        start(tmp_path, tmp_path / "work")
