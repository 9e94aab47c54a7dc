"""The build: golden output, the same bytes each time, only what changed, all or nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from roadmap.errors import RoadmapError
from roadmap.lessons import release
from roadmap.lessons.build import build
from roadmap.lessons.problems import LessonError

from .conftest import LESSON, CourseFolder

GOLDEN = Path(__file__).parent / "golden"
NOTEBOOK = "phase1_basics/01_adding.ipynb"


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for name in ("source", "release")
        for path in sorted((root / name).rglob("*"))
        if path.is_file()
    }


def test_the_golden_course_builds_to_the_golden_notebooks(tmp_path: Path) -> None:
    """After a wanted change: copy the new trees over tests/lessons/golden and read the diff."""
    shutil.copytree(GOLDEN / "course", tmp_path / "course")
    build(tmp_path)
    assert tree(tmp_path) == tree(GOLDEN)


def test_two_processes_with_other_hash_seeds_and_locales_give_the_same_bytes(
    tmp_path: Path,
) -> None:
    trees = []
    for number, locale in enumerate(("C", "C.UTF-8")):
        root = tmp_path / str(number) / "somewhere"
        shutil.copytree(GOLDEN / "course", root / "course")
        subprocess.run(
            [sys.executable, "-m", "roadmap.cli", "build"],
            cwd=root,
            env=os.environ
            | {"PYTHONHASHSEED": str(number), "LC_ALL": locale, "TZ": "Asia/Tokyo"},
            check=True,
            capture_output=True,
        )
        trees.append(tree(root))
    assert trees[0] == trees[1]
    assert trees[0]


def test_the_release_has_stubs_and_no_solutions_or_hidden_tests(
    course: CourseFolder,
) -> None:
    course.write(LESSON)
    build(course.root)
    released = course.outputs()[f"release/{NOTEBOOK}"].decode()
    for secret in ("return a + b", "HIDDEN", "SOLUTION", "add with other numbers"):
        assert secret in course.outputs()[f"source/{NOTEBOOK}"].decode()
        assert secret not in released
    assert "NotImplementedError" in released


def test_graded_cells_carry_nbgraders_metadata_and_their_grade_id_as_cell_id(
    course: CourseFolder,
) -> None:
    course.write(LESSON)
    build(course.root)
    notebook = nbformat.reads(
        course.outputs()[f"source/{NOTEBOOK}"].decode(), as_version=4
    )
    cells = {
        cell.id: cell.metadata.nbgrader
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    }
    assert cells == {
        "add": {
            "grade": False,
            "grade_id": "add",
            "locked": False,
            "schema_version": 3,
            "solution": True,
            "task": False,
        },
        "test-add": {
            "grade": True,
            "grade_id": "test-add",
            "locked": True,
            "points": 2,
            "schema_version": 3,
            "solution": False,
            "task": False,
        },
    }


def test_a_build_without_changes_writes_nothing(course: CourseFolder) -> None:
    course.write(LESSON)
    first = build(course.root)
    before = {
        path: path.stat().st_mtime_ns for path in (course.root / "source").rglob("*")
    }
    second = build(course.root)
    assert len(first.written) == 2
    assert (second.written, second.removed, second.unchanged) == ([], [], 2)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_only_the_changed_lesson_goes_through_nbgrader(
    course: CourseFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.write(LESSON)
    course.write(LESSON.replace('"add"', '"plus"'), "course/phase1_basics/02_more.md")
    build(course.root)
    asked = []
    generate = release.generate

    def spy(root: Path, sources: dict[tuple[str, str], bytes]) -> object:
        asked.append(list(sources))
        return generate(root, sources)

    monkeypatch.setattr(release, "generate", spy)
    course.write(LESSON + "\nMore prose.\n")
    report = build(course.root)
    assert asked == [[("phase1_basics", "01_adding")]]
    assert report.written == [f"release/{NOTEBOOK}", f"source/{NOTEBOOK}"]


@pytest.mark.parametrize("output", ["source", "release"])
def test_an_edited_notebook_is_put_right(course: CourseFolder, output: str) -> None:
    course.write(LESSON)
    build(course.root)
    wanted = course.outputs()
    target = course.root / output / NOTEBOOK
    target.write_text(target.read_text().replace("Adding", "Edited"))
    assert build(course.root).written == [f"{output}/{NOTEBOOK}"]
    assert course.outputs() == wanted


def test_a_changed_nbgrader_setting_renews_the_release(course: CourseFolder) -> None:
    course.write(LESSON)
    build(course.root)
    course.write(
        'c = get_config()\nc.ClearSolutions.code_stub = {"python": "pass  # mine"}\n',
        "nbgrader_config.py",
    )
    assert build(course.root).written == [f"release/{NOTEBOOK}"]
    assert "pass  # mine" in course.outputs()[f"release/{NOTEBOOK}"].decode()


def test_what_has_no_lesson_any_more_is_removed(course: CourseFolder) -> None:
    lesson = course.write(LESSON, "course/phase2_oop/01_adding.md")
    course.write(LESSON.replace('"add"', '"plus"'))
    build(course.root)
    lesson.unlink()
    report = build(course.root)
    assert report.removed == [
        "release/phase2_oop/01_adding.ipynb",
        "source/phase2_oop/01_adding.ipynb",
    ]
    assert not (course.root / "source/phase2_oop").exists()
    assert f"source/{NOTEBOOK}" in course.outputs()


def test_a_readme_beside_the_phases_is_left_alone(course: CourseFolder) -> None:
    course.write(LESSON)
    course.write("mine", "release/README.md")
    build(course.root)
    assert (course.root / "release/README.md").read_text() == "mine"


def test_check_names_each_stale_file_and_writes_nothing(course: CourseFolder) -> None:
    course.write(LESSON)
    build(course.root)
    assert build(course.root, check=True).stale == []
    course.write(LESSON + "\nMore prose.\n")
    course.write("x", "source/phase1_basics/orphan.ipynb")
    before = course.outputs()
    assert build(course.root, check=True).stale == [
        f"release/{NOTEBOOK}",
        f"source/{NOTEBOOK}",
        "source/phase1_basics/orphan.ipynb",
    ]
    assert course.outputs() == before


def test_check_does_not_trust_the_stamp_of_the_last_build(course: CourseFolder) -> None:
    course.write(LESSON)
    build(course.root)
    (course.root / "release" / NOTEBOOK).write_text("{}")
    stamp = course.root / ".roadmap/build.json"
    data = json.loads(stamp.read_text())
    from roadmap.lessons.files import digest, read_tree, sha256

    data["outputs"] = digest(read_tree(course.root, ("source", "release")))
    data["released"]["phase1_basics/01_adding"][1] = sha256(b"{}")
    stamp.write_text(json.dumps(data))
    assert build(course.root, check=True).stale == [f"release/{NOTEBOOK}"]


def test_a_broken_lesson_leaves_everything_as_it_was(course: CourseFolder) -> None:
    course.write(LESSON)
    build(course.root)
    before = course.outputs()
    course.write(LESSON + "\nChanged.\n")
    course.write(LESSON.replace(" points=2", ""), "course/phase1_basics/02_broken.md")
    with pytest.raises(LessonError):
        build(course.root)
    assert course.outputs() == before


def test_a_full_disk_while_writing_leaves_everything_as_it_was(
    course: CourseFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.write(LESSON)
    build(course.root)
    before = course.outputs()
    course.write(LESSON + "\nChanged.\n")
    write_bytes = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.parent.name.startswith("build-") and self.name == "1":
            raise OSError(28, "No space left on device", str(self))
        return write_bytes(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RoadmapError, match="No space left on device") as caught:
        build(course.root)
    assert len(str(caught.value).splitlines()) == 1
    assert course.outputs() == before


def test_nbgraders_refusal_is_one_line_and_leaves_everything_as_it_was(
    course: CourseFolder,
) -> None:
    course.write(LESSON)
    build(course.root)
    before = course.outputs()
    course.write(
        'c = get_config()\nc.ClearSolutions.end_solution_delimeter = "NO SUCH"\n',
        "nbgrader_config.py",
    )
    with pytest.raises(RoadmapError) as caught:
        build(course.root)
    assert str(caught.value).startswith(
        "phase1_basics: nbgrader could not make the release"
    )
    assert len(str(caught.value).splitlines()) == 1
    assert course.outputs() == before


def test_a_build_without_changes_does_not_import_jupytext_or_nbgrader(
    course: CourseFolder,
) -> None:
    course.write(LESSON)
    build(course.root)
    code = (
        "import sys; from pathlib import Path; from roadmap.lessons.build import build; "
        "build(Path('.')); print(sorted({'jupytext', 'nbgrader', 'nbformat'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=course.root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_windows_line_ends_and_a_bom_change_nothing(course: CourseFolder) -> None:
    path = course.write(LESSON)
    build(course.root)
    before = course.outputs()
    path.write_bytes(b"\xef\xbb\xbf" + LESSON.replace("\n", "\r\n").encode())
    build(course.root)
    assert course.outputs() == before


def test_answers_are_never_released(course: CourseFolder) -> None:
    course.write(LESSON)
    course.write("secret", "course/phase1_basics/answers/01_adding.md")
    build(course.root)
    assert [path for path in course.outputs() if "answers" in path] == []
    assert b"secret" not in b"".join(course.outputs().values())
