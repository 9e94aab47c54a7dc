"""The autograded folder: what formgrader shows and feedback is made from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbformat import NotebookNode, v4
from nbgrader.preprocessors import IgnorePattern, LimitOutput

from roadmap.errors import RoadmapError
from roadmap.grading.course import NbgraderCourse
from roadmap.grading.master import nbgrader
from roadmap.grading.rows import Row
from roadmap.grading.submission import Folder
from roadmap.grading.verdict import NOT_PASSED


def stage(
    course: NbgraderCourse,
    target: Path,
    submitted: Folder,
    source: Folder | None,
    executed: Path,
    rows: Mapping[str, Row],
) -> Path:
    """Lay out beside ``target`` what shall become it: files handed in, the source's, notebooks.

    What the notebooks wrote while they ran is left out. The caller moves the
    folder into place with :func:`move_into_place`. When it cannot be laid out whole,
    nothing is left of it: on a full disk the next learner's may fit.
    """
    folder = new_folder(target)
    try:
        _fill(folder, course, target.name, submitted, source, executed, rows)
    except BaseException:
        discard(folder)
        raise
    return folder


def _fill(
    folder: Path,
    course: NbgraderCourse,
    assignment: str,
    submitted: Folder,
    source: Folder | None,
    executed: Path,
    rows: Mapping[str, Row],
) -> None:
    folder.mkdir(parents=True)
    copy_files(course, assignment, folder, submitted, source)
    for path in sorted(executed.glob("*.ipynb")):
        nb = nbformat.from_dict(json.loads(path.read_text(encoding="utf-8")))
        _say_what_did_not_run(nb, rows[path.stem])
        for kind in (IgnorePattern, ClearMetadataPreprocessor, LimitOutput):
            preprocessor = kind(parent=course.autograde)
            if preprocessor.enabled:  # called, it would copy the notebook first
                nb, _ = preprocessor.preprocess(nb, {})
        # Made by us, so there is nothing to validate; and an indent would take ten times as long.
        text = json.dumps(nb, ensure_ascii=False) + "\n"
        (folder / path.name).write_text(text, encoding="utf-8")


def discard(folder: Path) -> None:
    """Remove what :func:`stage` has laid out, and will not come into place."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()  # made for it, if there is nothing else


def new_folder(target: Path) -> Path:
    """Where to make what shall become ``target``: beside it, free of what a killed run left."""
    folder = target.with_name(f".{target.name}.new")
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def copy_files(
    course: NbgraderCourse,
    assignment: str,
    target: Path,
    submitted: Folder,
    source: Folder | None,
) -> None:
    """The files handed in and, over them, the source's, as nbgrader has it."""
    submitted.copy_data(target)
    if source is not None:
        kept = course.autograde.exclude_overwriting.get(assignment, [])
        source.copy_data(target, skip=frozenset(Path(name) for name in kept))


def _say_what_did_not_run(nb: NotebookNode, row: Row) -> None:
    """A check that never ran has no output to tell why it earned nothing."""
    for cell in nb.cells:
        meta = nbgrader(cell)
        score = row.cells.get(meta.get("grade_id", ""))
        if (
            cell.cell_type == "code"
            and score
            and score.score == 0
            and not meta.get("solution")
        ):
            failed = any(output.output_type == "error" for output in cell.outputs)
            if not failed and score.message:
                cell.outputs.append(
                    v4.new_output(
                        "error",
                        ename=NOT_PASSED,
                        evalue=score.message,
                        traceback=[score.message],
                    )
                )


def move_into_place(
    course: NbgraderCourse, folder: Path, target: Path, permissions: int
) -> None:
    """Replace ``target`` by ``folder``; ``permissions`` is nbgrader's, e.g. 444.

    Raises:
        RoadmapError: the file system refuses.
    """
    old = target.with_name(f".{target.name}.old")
    mode = int(str(permissions), 8)
    try:
        for path in folder.rglob("*"):
            if path.is_file():
                path.chmod(mode)
            elif course.coursedir.groupshared:
                path.chmod(0o2770)
        if course.coursedir.groupshared:
            folder.chmod(0o2770)
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.replace(old)
        folder.replace(target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise RoadmapError(f"{target}: cannot be written: {error.strerror}") from error
