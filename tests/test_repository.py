"""The repository as a whole: format, lint, types, links, licences, what git is told."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from roadmap.lessons.build import build
from roadmap.lessons.fences import without_fences

ROOT = Path(__file__).parents[1]
CODE = re.compile(r"`[^`\n]*`")  # `bands[0](700)` in a sentence is no link
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
    )


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "format", "--check", "--no-cache", "."],
        ["ruff", "check", "--no-cache", "."],
        ["mypy"],
    ],
    ids=["format", "lint", "types"],
)
def test_the_code_the_lessons_and_the_notebooks_are_clean(command: list[str]) -> None:
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_source_and_release_are_what_the_lessons_build() -> None:
    report = build(ROOT, check=True)
    assert report.stale == [], "run `make build` and commit"
    assert report.unchanged > 0


def documents() -> list[tuple[Path, str]]:
    """Every page a person reads: guides as they are, lessons as they are released."""
    pages = [
        (path, without_fences(path.read_text()))
        for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    ]
    for path in sorted(ROOT.glob("release/*/*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        pages.append(
            (
                path,
                without_fences(
                    "\n".join(c.source for c in cells if c.cell_type == "markdown")
                ),
            )
        )
    return pages


ROOMS = {
    "lessons": set(),
    "grading": {"lessons"},
    "progress": {"lessons"},
    "audit": {"lessons", "grading"},
    "practice": set(),
}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_uses_only_the_rooms_that_the_architecture_names(room: str) -> None:
    """The table of docs/architecture.md; nobody uses the command line."""
    used = set()
    for path in (ROOT / "roadmap" / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            used |= {
                name.split(".")[1] for name in names if name.startswith("roadmap.")
            }
    assert used - {room, "errors", "lean_imports"} <= ROOMS[room]


def test_every_room_is_in_the_table_of_rooms() -> None:
    table = (ROOT / "docs/architecture.md").read_text()
    rooms = {path.parent.name for path in ROOT.glob("roadmap/*/__init__.py")}
    assert rooms == ROOMS.keys()
    assert all(f"| `roadmap/{room}/` |" in table for room in rooms)


def test_links_inside_the_course_and_the_guides_resolve() -> None:
    broken, checked = [], 0
    for path, text in documents():
        for target in filter(
            None, (a or b for a, b in LINK.findall(CODE.sub("", text)))
        ):
            if target.startswith(("https://", "mailto:", "#")):
                continue
            checked += 1
            if not (path.parent / unquote(target.partition("#")[0])).exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert broken == []
    assert checked > 10


def test_no_link_leaves_by_plain_http() -> None:
    assert [path for path, text in documents() if "](http://" in text] == []


def test_generated_notebooks_are_marked_as_generated_for_git() -> None:
    done = run(
        "git",
        "check-attr",
        "linguist-generated",
        "source/x/y.ipynb",
        "release/x/y.ipynb",
    )
    assert done.stdout.count(": true") + done.stdout.count(": set") == 2
    assert (
        "linguist-generated: unspecified"
        in run("git", "check-attr", "linguist-generated", "course/x/y.md").stdout
    )


def test_what_a_class_or_a_learner_makes_is_not_tracked() -> None:
    made = [
        "work/x",
        "downloaded/x/y",
        "submitted/x/y",
        "autograded/x/y",
        "feedback/x",
        "gradebook.db",
        "demo/x",
    ]
    assert run("git", "check-ignore", *made).stdout.split() == made
    assert run("git", "check-ignore", "autograded/README.md").returncode == 1
