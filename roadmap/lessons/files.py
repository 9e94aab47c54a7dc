"""The course's folders as trees of files: what is there, and what they should hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from roadmap.errors import RoadmapError

COURSE = "course"
ANSWERS = "answers"
NBGRADER_CONFIG = "nbgrader_config.py"
OUTPUTS = ("source", "release")
LEFT_ALONE = {".ipynb_checkpoints", "__pycache__", ".DS_Store"}

Tree = dict[str, bytes]  # path relative to the root, with slashes → content


def find_root(start: Path) -> Path:
    """The nearest folder at or above ``start`` that holds ``course/``.

    Raises:
        RoadmapError: there is none.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / COURSE).is_dir():
            return folder
    raise RoadmapError(
        f"{start}: no {COURSE}/ here or in a folder above; run it inside the course"
    )


def read_tree(root: Path, folders: Iterable[str]) -> Tree:
    """The files of phases under ``folders``; a folder's own README is not the build's."""
    tree = {}
    for folder in folders:
        for path in sorted((root / folder).glob("*/**/*")):
            if path.is_file() and not LEFT_ALONE.intersection(path.parts):
                tree[path.relative_to(root).as_posix()] = path.read_bytes()
    return tree


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest(tree: Mapping[str, bytes]) -> str:
    total = hashlib.sha256()
    for path in sorted(tree):
        total.update(f"{path}\0{sha256(tree[path])}\n".encode())
    return total.hexdigest()
