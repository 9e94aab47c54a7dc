"""Fixtures: a tiny course."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from nbformat import v4
from nbgrader.api import Gradebook
from tiny_course import ADD, DOUBLE, TinyCourse

from roadmap.grading.run import grade
from roadmap.grading.sandbox import available


def pytest_configure() -> None:
    """Where kernels cannot be isolated, what is tested here is tested without."""
    if available():
        grade.__kwdefaults__["sandbox"] = False


@pytest.fixture(scope="session")
def empty_gradebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new gradebook, to copy: nbgrader takes a second or two to make one."""
    path = tmp_path_factory.mktemp("empty") / "gradebook.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
        Gradebook(f"sqlite:///{path}", "tiny").close()
    return path


@pytest.fixture
def course(tmp_path: Path, empty_gradebook: Path) -> TinyCourse:
    """A course whose assignment ``ps1`` has the notebook ``p1``: add (2 points), double (3)."""
    tiny = TinyCourse(tmp_path / "course")
    shutil.copy(empty_gradebook, tiny.root)
    tiny.source("p1", *ADD, v4.new_markdown_cell("## Next", id="next"), *DOUBLE)
    return tiny
