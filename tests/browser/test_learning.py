"""A learner's first minutes in a real JupyterLab: the start page, a check, a tick."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from roadmap.lessons.answers import fill, read_answers, references
from roadmap.lessons.work import start

ROOT = Path(__file__).parents[2]
LESSON = "phase1_basics/01_values_and_names.ipynb"
WAIT = 60_000  # milliseconds; a kernel takes its time on a busy machine


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A learner's copy: two exercises of a lesson answered right, the third wrong."""
    folder = tmp_path / "work"
    start(ROOT, folder)
    phase, lesson = LESSON.removesuffix(".ipynb").split("/")
    source = nbformat.read(ROOT / "source" / LESSON, as_version=4)
    answers = dict(list(references(source).items())[:3])
    third = list(answers)[2]
    wrong = [answer for answer in read_answers(ROOT, phase, lesson) if not answer.right]
    answers[third] = next(a.source for a in wrong if a.exercise == third)
    released = fill(nbformat.read(folder / LESSON, as_version=4), answers)
    nbformat.write(released, folder / LESSON)
    return folder


def open_notebook(page: Any, address: str, path: str) -> None:
    page.goto(f"{address}/lab/tree/{path}?reset")
    page.locator(".jp-Notebook").first.wait_for(timeout=WAIT)
    page.get_by_text("| Idle").wait_for(timeout=WAIT)


def run_all(page: Any) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def cell(page: Any, text: str) -> Any:
    return page.locator(".jp-CodeCell", has_text=text).first


def output(page: Any, text: str) -> Any:
    return page.locator(".jp-OutputArea-output").get_by_text(text).first


def show(element: Any) -> None:
    """Bring it to the middle; the notebook may still be growing, so do not wait for rest."""
    element.wait_for(timeout=WAIT)
    element.evaluate("e => e.scrollIntoView({block: 'center'})")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_start_here_runs_and_shows_the_checklist(
    chromium: Any,
    jupyterlab: Callable[[Path], str],
    work: Path,
    pictures: Path,
    theme: str,
) -> None:
    page = chromium.new_page(viewport={"width": 1200, "height": 1100})
    address = jupyterlab(work)
    if theme == "dark":
        dark_theme(work.parent / "home")
    open_notebook(page, address, "start_here/00_welcome.ipynb")
    cell(page, "%load_ext roadmap").click()
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    output(page, "Problems solved").wait_for(timeout=WAIT)
    show(output(page, "Object-Oriented Programming"))
    page.screenshot(path=pictures / f"start_here-{theme}.png")
    page.close()


def dark_theme(home: Path) -> None:
    folder = home / ".jupyter/lab/user-settings/@jupyterlab/apputils-extension"
    folder.mkdir(parents=True)
    (folder / "themes.jupyterlab-settings").write_text('{"theme": "JupyterLab Dark"}')


def test_a_passing_check_ticks_and_a_failing_one_says_why(
    chromium: Any,
    jupyterlab: Callable[[Path], str],
    work: Path,
    pictures: Path,
    tmp_path: Path,
) -> None:
    page = chromium.new_page(viewport={"width": 1200, "height": 1100})
    errors: list[Any] = []
    page.on("pageerror", lambda error: errors.append(error))
    open_notebook(page, jupyterlab(work), LESSON)
    cell(page, "%load_ext roadmap").click()
    run_all(page)  # stops at the first check that fails
    output(page, "not yet —").wait_for(timeout=WAIT)
    assert "AssertionError" in output(page, "AssertionError:").text_content()
    assert "✓" in output(page, "visible checks passed").text_content()
    page.locator(".jp-RenderedMermaid").first.wait_for(timeout=WAIT)
    show(output(page, "AssertionError:"))
    page.screenshot(path=pictures / "message.png")
    show(page.locator(".jp-RenderedMermaid").first)
    page.screenshot(path=pictures / "lesson.png")
    width = "document.querySelector('.jp-WindowedPanel-outer').scrollWidth"
    shown = "document.querySelector('.jp-WindowedPanel-outer').clientWidth"
    assert page.evaluate(width) <= page.evaluate(shown), "a cell is wider than the page"

    open_notebook(page, page.url.split("/lab")[0], "start_here/00_welcome.ipynb")
    cell(page, "%load_ext roadmap").click()
    for _ in range(3):
        page.keyboard.press("Shift+Enter")
    output(page, "2 of ").wait_for(timeout=WAIT)
    show(output(page, "Problems solved"))
    page.screenshot(path=pictures / "checklist.png")
    page.close()
    assert errors == []
