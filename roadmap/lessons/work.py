"""A learner's own copy of ``release/``: refreshed, never overwritten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from roadmap.errors import RoadmapError
from roadmap.lessons.files import read_tree, sha256

RELEASE = "release"
DELIVERED = ".roadmap.json"  # what was last put into the copy: path → SHA-256


@dataclass(frozen=True)
class StartReport:
    """Paths inside the copy: put there, brought up to date, and put beside a changed file."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


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
            _refresh(work, path, data, delivered.get(path), report)
        _write(work / DELIVERED, _delivered_json(released))
    except OSError as error:
        raise RoadmapError(f"{error.filename or work}: {error.strerror}") from error
    return report


def _refresh(
    work: Path, path: str, data: bytes, delivered: str | None, report: StartReport
) -> None:
    target = work / path
    if not target.exists():
        _write(target, data)
        report.added.append(path)
        return
    mine = sha256(target.read_bytes())
    if sha256(data) in (mine, delivered):
        return
    if mine == delivered:
        _write(target, data)
        report.updated.append(path)
        return
    name = PurePosixPath(path)
    beside = str(name.with_name(f"{name.stem}.new{name.suffix}"))
    _write(work / beside, data)
    report.beside.append(beside)


def _read_delivered(work: Path) -> dict[str, str]:
    path = work / DELIVERED
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        return {}  # without it every changed file counts as the learner's, which is the safe side


def _delivered_json(released: Mapping[str, bytes]) -> bytes:
    return json.dumps(
        {path: sha256(data) for path, data in released.items()}, indent=1
    ).encode()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)
