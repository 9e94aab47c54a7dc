"""A package that a notebook writes: imported as its files are, or one line that says why not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadmap.practice import fresh_package

NAME = "shelf_of_fresh_package"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an empty package, named from where the notebook is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project" / NAME).mkdir(parents=True)
    write("__init__", "")
    yield Path("project")
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def write(module: str, text: str) -> Path:
    path = Path("project", NAME, f"{module}.py")
    path.write_text(text)
    return path


def fault(name: str) -> str:
    with pytest.raises(ImportError) as caught:
        fresh_package(name, "project")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_it_is_the_text_that_is_in_the_file_now(project: Path) -> None:
    """Same length and same time: neither tells the new text from the old one."""
    path = write("books", "copies = 1\n")
    assert fresh_package(f"{NAME}.books", project).copies == 1
    before = path.stat().st_mtime_ns
    write("books", "copies = 2\n")
    os.utime(path, ns=(before, before))
    assert fresh_package(f"{NAME}.books", project).copies == 2


def test_a_compiled_copy_that_looks_fresh_is_not_read(project: Path) -> None:
    path = write("books", "copies = 1\n")
    sys.path.insert(0, str(project.resolve()))
    try:
        __import__(f"{NAME}.books")  # leaves a compiled copy
    finally:
        del sys.path[0]
    before = path.stat().st_mtime_ns
    write("books", "copies = 2\n")
    os.utime(path, ns=(before, before))
    assert fresh_package(f"{NAME}.books", project).copies == 2


def test_nothing_is_left_behind_but_the_modules(project: Path) -> None:
    write("books", "copies = 1\n")
    path, files = sys.path[:], sorted(project.rglob("*"))
    silent = sys.dont_write_bytecode
    fresh_package(f"{NAME}.books", project)
    assert sys.path == path
    assert sorted(project.rglob("*")) == files
    assert (sys.dont_write_bytecode, sys.pycache_prefix) == (silent, None)
    assert f"{NAME}.books" in sys.modules


def test_all_of_the_package_is_forgotten_and_no_namesake(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("books", "copies = 1\n")
    write("desk", f"from {NAME}.books import copies\n")
    fresh_package(f"{NAME}.desk", project)
    namesake = f"{NAME}_of_others"
    monkeypatch.setitem(sys.modules, namesake, sys)
    write("books", "copies = 2\n")
    assert fresh_package(f"{NAME}.desk", project).copies == 2
    assert sys.modules[namesake] is sys


def test_more_modules_come_along_as_their_files_are(project: Path) -> None:
    write("books", "copies = 1\n")
    path = write("desk", "seats = 4\n")
    before = path.stat().st_mtime_ns
    fresh_package(f"{NAME}.books", project, also=[f"{NAME}.desk"])
    write("desk", "seats = 5\n")
    os.utime(path, ns=(before, before))
    fresh_package(f"{NAME}.books", project, also=[f"{NAME}.desk"])
    assert sys.modules[f"{NAME}.desk"].seats == 5


def test_another_folder_of_the_same_name_is_not_taken(
    project: Path, tmp_path: Path
) -> None:
    write("books", "copies = 1\n")
    fresh_package(f"{NAME}.books", project)
    other = tmp_path / "other" / NAME
    other.mkdir(parents=True)
    (other / "books.py").write_text("copies = 3\n")
    assert fresh_package(f"{NAME}.books", tmp_path / "other").copies == 3


def test_a_missing_file_is_named(project: Path) -> None:
    write("desk", f"import {NAME}.books\n")
    message = fault(f"{NAME}.desk")
    assert message.startswith(str(project / NAME / "books.py") + " is not there")


def test_a_file_without_an_answer_is_named(project: Path) -> None:
    path = write("books", 'copies = 1\nraise NotImplementedError("no answer yet")\n')
    assert fault(NAME + ".books").startswith(f"{path}, line 2: no answer yet")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("copies = 1\ncopies = = 2\n", "line 2: SyntaxError: invalid syntax"),
        ("a = 1\n\nb = nothing\n", "line 3: NameError: name 'nothing' is not defined"),
        ("import json\njson.loads('')\n", "line 2: JSONDecodeError: Expecting value"),
        ("raise SystemExit('a\\nb')\n", "line 1: SystemExit: a b"),
        ("import nowhere_at_all\n", "line 1: ModuleNotFoundError: No module named"),
    ],
)
def test_what_a_file_raised_is_told_with_its_line(
    project: Path, text: str, expected: str
) -> None:
    path = write("books", text)
    assert fault(f"{NAME}.books").startswith(f"{path}, {expected}")


def test_what_failed_half_way_is_not_kept(project: Path) -> None:
    write("books", "copies = 1\nnothing\n")
    fault(f"{NAME}.books")
    assert not [name for name in sys.modules if name.partition(".")[0] == NAME]
