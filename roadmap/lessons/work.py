"""A learner's own copy of ``release/``: refreshed, never overwritten.

The copy knows its course and what was last put into it, by a file of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath

from roadmap.errors import RoadmapError
from roadmap.lessons.files import COURSE, find_root, read_tree, sha256
from roadmap.lessons.index import INDEX_FILE

RELEASE = "release"
WORK = "work"
DELIVERED = ".roadmap.json"


@dataclass(frozen=True)
class StartReport:
    """Paths inside the copy.

    ``added`` and ``updated`` were put there; ``beside`` are new versions of files
    that the learner has changed; ``removed`` are no longer in the course and were
    as delivered; ``orphaned`` are no longer in it and were changed, so they stay.
    """

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Delivered:
    """What a copy knows: its course's folder, and the digests of what was put into it last.

    ``beside`` are the new versions that stand beside changed files.
    """

    root: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)


def start(root: Path, work: Path) -> StartReport:
    """Make or refresh the copy of ``root/release`` in ``work``.

    A file that the learner changed stays as it is; when its lesson has changed
    too, the new version is put beside it as ``<name>.new.<ending>``.

    Raises:
        RoadmapError: there is no release, or ``work`` cannot be written.
    """
    released = {
        path.removeprefix(f"{RELEASE}/"): data
        for path, data in read_tree(root, (RELEASE,)).items()
    }
    if not released:
        raise RoadmapError(
            f"{root / RELEASE}: nothing released; run `roadmap build` first"
        )
    report = StartReport()
    try:
        work.mkdir(parents=True, exist_ok=True)
        delivered = _read_delivered(work)
        for path, data in released.items():
            before = delivered.files.get(path)
            _refresh(work, path, data, before, delivered.beside, report)
        for path in sorted(delivered.files.keys() - released.keys()):
            _retire(work, path, delivered.files[path], report)
        files = {path: sha256(data) for path, data in released.items()}
        now = Delivered(str(root.resolve()), files, delivered.beside)
        if now != _read_delivered(work):
            _write(work / DELIVERED, json.dumps(asdict(now), indent=1).encode())
    except OSError as error:
        raise RoadmapError(
            f"{error.filename or work}: {error.strerror}; your own copy has to be a "
            "folder that you can write to"
        ) from error
    return report


def find_work(start: Path) -> tuple[Path, Path]:
    """The course and the learner's copy that belong to the folder ``start``.

    ``start`` is in the copy, or else in the course, whose copy is ``work/``.

    Raises:
        RoadmapError: it is in neither, there is no copy yet, or its course is gone.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / DELIVERED).is_file():
            return course_of(folder), near(folder)
    root = find_root(start)
    work = near(root / WORK)
    if not work.is_dir():
        raise RoadmapError(
            f"{work}: not there; run `roadmap start` first, or name your copy with --work"
        )
    return root, work


def near(path: Path) -> Path:
    """``path`` as people write it: as seen from the current folder, if it is below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def course_of(work: Path) -> Path:
    """The course that the copy ``work`` belongs to.

    Raises:
        RoadmapError: it is gone, and ``work`` is in no other.
    """
    root = _read_delivered(work).root
    if root is not None and (Path(root) / COURSE).is_dir():
        return Path(root)
    try:
        return find_root(work)
    except RoadmapError as error:
        raise RoadmapError(
            f"{work}: this copy does not know its course; go there and run "
            f"`roadmap start {work}`"
        ) from error


def _read_delivered(work: Path) -> Delivered:
    """What ``work`` knows; nothing, where its file is missing or damaged.

    Then every changed file counts as the learner's, which is the safe side.
    """
    try:
        data = json.loads((work / DELIVERED).read_text(encoding="utf-8"))
        if "files" not in data:  # the first version held nothing but files
            data = {"files": data}
        return Delivered(
            data.get("root"), dict(data["files"]), dict(data.get("beside", {}))
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return Delivered()


def _refresh(
    work: Path,
    path: str,
    data: bytes,
    before: str | None,
    beside: dict[str, str],
    report: StartReport,
) -> None:
    """Bring one file up to date; ``before`` is its digest as it was put there last."""
    target = work / path
    if not target.exists():
        _write(target, data)
        report.added.append(path)
        return
    mine = sha256(target.read_bytes())
    if sha256(data) in (mine, before):
        return
    if mine == before or path == INDEX_FILE.as_posix():  # nobody works in the index
        _write(target, data)
        report.updated.append(path)
        return
    # A new version put beside before may be what the learner works in by now.
    for name in _names_beside(path):
        there = work / name
        if not there.exists() or sha256(there.read_bytes()) in (
            beside.get(name),
            sha256(data),
        ):
            _write(there, data)
            beside[name] = sha256(data)
            report.beside.append(name)
            return


def _retire(work: Path, path: str, before: str, report: StartReport) -> None:
    """Take away a file that is no longer in the course, unless the learner changed it."""
    target = work / path
    if not target.is_file():
        return
    if sha256(target.read_bytes()) == before:
        target.unlink()
        report.removed.append(path)
    else:
        report.orphaned.append(path)


def _names_beside(path: str) -> Iterator[str]:
    name = PurePosixPath(path)
    yield str(name.with_name(f"{name.stem}.new{name.suffix}"))
    for number in count(2):
        yield str(name.with_name(f"{name.stem}.new{number}{name.suffix}"))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
