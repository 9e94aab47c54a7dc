"""A lesson in VS Code itself: its own editor, renderers and files, with a real kernel.

VS Code comes as code-server. Microsoft's Jupyter extension is in a marketplace only; the
extension in ``vscode/`` stands in for it, as far as messages from and to a kernel go.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import TimeoutError

from roadmap.lessons.answers import fill, references
from roadmap.lessons.work import start
from roadmap.progress import ProgressStore

from .conftest import free_port, wait_until_it_answers
from .test_learning import LESSON, ROOT, WAIT, work  # noqa: F401

EXTENSION = Path(__file__).with_name("vscode")
PASSED = "✓ Two signs change places: visible checks passed"
MOST_KEYS = 60
LOOKS = 6
WELCOME = "start_here/00_welcome.ipynb"
SETTINGS = {
    "chat.disableAIFeatures": True,
    "editor.autoIndent": "none",  # what is typed in one go has its indents
    "files.autoSave": "off",  # as on a desktop; in a browser it is on
    "telemetry.telemetryLevel": "off",
    "workbench.hover.delay": 100_000,  # a hint that pops up hides buttons
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.startupEditor": "none",
}
THEMES = {"light": "Default Light Modern", "dark": "Default Dark Modern"}

Start = Callable[[Path, str], str]


@pytest.fixture
def vscode(tmp_path: Path) -> Iterator[Start]:
    """Starts VS Code on a folder, in a theme, and gives its address; it ends with the test."""
    program = shutil.which("code-server")
    if program is None:
        pytest.skip("no code-server (VS Code as a web page) on the PATH; see .ci/run")
    servers: list[subprocess.Popen[bytes]] = []

    def start_on(root: Path, theme: str) -> str:
        data, log = tmp_path / "vscode", tmp_path / "vscode.log"
        shutil.copytree(EXTENSION, data / "extensions" / "roadmap.kernel-for-tests")
        settings = data / "User" / "settings.json"
        settings.parent.mkdir()
        chosen = {"workbench.colorTheme": THEMES[theme]}
        settings.write_text(json.dumps(SETTINGS | chosen))
        command = [
            program,
            f"--bind-addr=127.0.0.1:{(port := free_port())}",
            "--auth=none",
            "--disable-telemetry",
            "--disable-update-check",
            "--disable-workspace-trust",
            f"--config={data / 'config.yaml'}",
            f"--user-data-dir={data}",
            f"--extensions-dir={data / 'extensions'}",
        ]
        with log.open("ab") as out:
            servers.append(
                subprocess.Popen(
                    command, env=environment(tmp_path), stdout=out, stderr=out
                )
            )
        address = f"http://127.0.0.1:{port}"
        wait_until_it_answers(servers[-1], f"{address}/healthz", log)
        return f"{address}/?folder={root}"

    yield start_on
    for server in servers:
        server.terminate()
        server.wait(timeout=20)


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the user's, nor of a VS Code in whose terminal this runs."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VSCODE_", "XDG_"))
    }
    home = folder / "home"
    home.mkdir()
    return kept | {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "EXTENSIONS_GALLERY": "{}",  # nobody to ask for updates
        "ROADMAP_PROGRESS_FILE": str(folder / "progress.json"),
        "ROADMAP_TEST_PYTHON": sys.executable,
    }


@dataclass
class Notebook:
    """A notebook that is open in the page, and what a learner does in it by keyboard."""

    page: Any
    path: Path

    def __post_init__(self) -> None:
        self.cells = nbformat.read(self.path, as_version=4).cells
        name = self.path.name
        self.page.keyboard.press("Control+p")
        self.page.locator(".quick-input-widget input").wait_for(timeout=WAIT)
        self.page.keyboard.insert_text(name)
        found = self.page.locator(".quick-input-list .monaco-list-row", has_text=name)
        found.first.click(timeout=WAIT)
        self.page.locator(".tab.active", has_text=name).wait_for(timeout=WAIT)
        self.page.get_by_role("button", name="Python 3").wait_for(timeout=WAIT)

    def run_all(self) -> None:
        self.page.get_by_role("button", name="Run All", exact=True).click(timeout=WAIT)

    def go_to(self, cell: str, further: int = 0) -> None:
        """Select the cell with an id, or one further down; VS Code draws what is in sight.

        An early key may get lost, so each waits for what the status bar counts.
        """
        number = self._number(cell) + further
        status = self.page.get_by_text(re.compile(r"^Cell \d+ of \d+$"))
        cells = self.page.locator(".notebookOverlay .monaco-list").first
        for _ in range(MOST_KEYS):
            at = status.text_content(timeout=WAIT)
            if (now := int(at.split()[1])) == number:
                return
            cells.focus()
            self.page.keyboard.press("ArrowDown" if now < number else "ArrowUp")
            with suppress(TimeoutError):
                status.filter(has_not_text=at).wait_for(timeout=1000)
        raise AssertionError(f"no way to cell {number} by arrow keys; at {at}")

    def _number(self, cell: str) -> int:
        return [one.id for one in self.cells].index(cell) + 1

    def answer(self, exercise: str, text: str) -> None:
        """Write an answer in place of what is there, run it, and the check below it."""
        self.go_to(exercise)
        self.page.keyboard.press("Enter")
        editor = self.page.locator(".code-cell-row .monaco-editor.focused")
        editor.wait_for(timeout=WAIT)
        selected = editor.locator(".selected-text").first
        for _ in range(MOST_KEYS):
            self.page.keyboard.press("Control+a")
            with suppress(TimeoutError):
                selected.wait_for(timeout=1000)
                break
        self.page.keyboard.insert_text(text)
        written = editor.locator(".view-line", has_text=text.splitlines()[-1].strip())
        written.wait_for(timeout=WAIT)
        for number in (1, 2):
            self.page.keyboard.press("Shift+Enter")
            where = f"Cell {self._number(exercise) + number} of {len(self.cells)}"
            self.page.get_by_text(where, exact=True).wait_for(timeout=WAIT)

    def output(self, cell: str, text: str) -> Any:
        """What is drawn below a cell, once it is there; it is in a frame of its own."""
        outer = self.page.frame_locator("iframe.webview")
        drawn = outer.frame_locator("#active-frame").locator(".output")
        found = drawn.filter(has_text=text).first
        for _ in range(
            LOOKS
        ):  # on a busy machine it may be drawn after it is scrolled past
            for further in (0, 1):  # what is selected already may be out of sight
                self.go_to(cell, further)
            with suppress(TimeoutError):
                found.wait_for(timeout=WAIT / LOOKS)
                return found
        raise AssertionError(f"nothing like {text!r} is drawn below {cell}")

    def save(self) -> Any:
        """Press Ctrl+S, and read what VS Code has written."""
        dirty = self.page.locator(".tab.active.dirty")
        dirty.wait_for(timeout=WAIT)
        self.page.keyboard.press("Control+s")
        dirty.wait_for(state="detached", timeout=WAIT)
        return nbformat.read(self.path, as_version=4)


def opened(chromium: Any, address: str) -> Any:
    page = chromium.new_page(viewport={"width": 1200, "height": 1300})
    page.goto(address)
    wait_for_the_workbench(page)
    return page


def wait_for_the_workbench(page: Any) -> None:
    page.get_by_role("treeitem", name="start_here").wait_for(timeout=WAIT)


@pytest.mark.parametrize("theme", THEMES)
def test_a_wrong_answer_is_told_first_and_a_right_one_ticks_and_is_kept(
    chromium: Any,
    vscode: Start,
    work: Path,  # noqa: F811
    pictures: Path,
    tmp_path: Path,
    theme: str,
) -> None:
    check = "test-names-swap"
    page = opened(chromium, vscode(work, theme))
    lesson = Notebook(page, work / LESSON)
    lesson.run_all()  # stops at the first check that fails
    advice = lesson.output(check, "not yet —")
    message = lesson.output(check, 'swap_shelves("poetry", "crime") returned')
    assert message.bounding_box()["y"] < advice.bounding_box()["y"]
    assert "Traceback" not in message.text_content()
    fold = advice.locator("details")
    assert "Traceback (most recent call last)" in fold.text_content()
    assert not fold.locator("pre").is_visible()
    page.screenshot(path=pictures / f"vscode-message-{theme}.png")
    # A click of the mouse would leave the focus in the frame, and keys to the frame's commands.
    fold.locator("summary").dispatch_event("click")
    fold.locator("pre").wait_for(timeout=WAIT)

    right = references(nbformat.read(ROOT / "source" / LESSON, as_version=4))
    lesson.answer("names-swap", right["names-swap"])
    passed = lesson.output(check, PASSED)
    assert "Next: the exercise" in passed.text_content()
    assert ProgressStore(tmp_path / "progress.json").read().checks[check].passed
    page.screenshot(path=pictures / f"vscode-passed-{theme}.png")

    saved = lesson.save()
    released = nbformat.read(ROOT / "release" / LESSON, as_version=4)
    for kept, cell in zip(saved.cells, released.cells, strict=True):
        assert (kept.id, kept.metadata) == (cell.id, cell.metadata)
    page.reload()
    wait_for_the_workbench(page)
    lesson = Notebook(page, work / LESSON)
    assert lesson.output(check, PASSED).is_visible()
    page.close()
    row = full_check(work, tmp_path)
    assert (row["status"], row["score"]) == ("graded", 6)
    assert row["cells"][check]["score"] == 2


def full_check(work: Path, folder: Path) -> Any:  # noqa: F811
    """What `roadmap check` says of the lesson."""
    report = folder / "check.json"
    command = ["roadmap.cli", "check", str(work / LESSON), "--json", str(report)]
    keeps = {"ROADMAP_PROGRESS_FILE": str(folder / "progress.json")}
    subprocess.run(
        [sys.executable, "-m", *command], cwd=work, env=os.environ | keeps, check=True
    )
    (row,) = json.loads(report.read_text())
    return row


def test_without_widgets_the_checklist_is_a_whole_table_and_links_lead_on(
    chromium: Any, vscode: Start, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    start(ROOT, folder)
    source = nbformat.read(ROOT / "source" / WELCOME, as_version=4)
    mine = fill(nbformat.read(folder / WELCOME, as_version=4), references(source))
    nbformat.write(mine, folder / WELCOME)
    page = opened(chromium, vscode(folder, "light"))
    welcome = Notebook(page, folder / WELCOME)
    welcome.run_all()
    shows = next(cell.id for cell in welcome.cells if cell.source == "checklist()")
    table = welcome.output(shows, "Seven systems").text_content()
    page.screenshot(path=pictures / "vscode-checklist.png")
    assert "Problems solved" in table
    assert "Output is truncated" not in table

    checks = [cell.id for cell in welcome.cells if cell.id.startswith("test-")]
    done = welcome.output(checks[-1], "Every exercise of this lesson is ticked")
    page.screenshot(path=pictures / "vscode-lesson-done.png")
    done.get_by_role("link").click()
    following = page.locator(".tab.active", has_text=Path(LESSON).name)
    following.wait_for(timeout=WAIT)
    page.close()
