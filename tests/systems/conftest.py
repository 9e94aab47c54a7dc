"""The systems that the capstone lessons build, made from their reference answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from roadmap.practice import fresh_package

SOURCE = Path(__file__).parents[2] / "source"
WRITE = "%%writefile "


def write_project(lesson: Path, place: Path) -> None:
    """Write the files of a lesson's ``%%writefile`` cells below ``place``, in their order."""
    for cell in nbformat.read(lesson, as_version=4).cells:
        if cell.cell_type == "code" and cell.source.startswith(WRITE):
            first, _, text = cell.source.partition("\n")
            path = place / first.removeprefix(WRITE).strip()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n", encoding="utf-8")


@dataclass(frozen=True)
class LibraryPackage:
    """The project of ``09_project_library``: its folder, and the package from there."""

    folder: Path
    library: ModuleType

    def run(
        self, *arguments: str, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run Python in the project's folder: ``run("-c", program)``, ``run("-m", "pytest")``."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
        )


@pytest.fixture
def library_package(tmp_path: Path) -> Iterator[LibraryPackage]:
    """The reference library, imported anew for each test."""
    write_project(SOURCE / "phase2_oop" / "09_project_library.ipynb", tmp_path)
    folder = tmp_path / "library_project"
    before = {name for name in sys.modules if name.partition(".")[0] == "library"}
    assert before == set(), "another `library` is imported already"
    yield LibraryPackage(folder, fresh_package("library", folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "library"]:
        del sys.modules[name]
