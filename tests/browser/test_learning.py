"""A learner's first minutes in a real JupyterLab: the start page, a check, a tick."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from roadmap.lessons.answers import fill, read_answers, references
from roadmap.lessons.work import start
from roadmap.progress import ProgressStore

ROOT = Path(__file__).parents[2]
LESSON = "phase1_basics/01_values_and_names.ipynb"
WHOLE = "phase1_basics/11_files.ipynb"
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


def test_a_check_says_the_same_in_notebook_7(
    chromium: Any, jupyterlab: Callable[[Path], str], work: Path, pictures: Path
) -> None:
    page = chromium.new_page(viewport={"width": 1200, "height": 1000})
    page.goto(f"{jupyterlab(work)}/notebooks/{LESSON}")
    page.locator(".jp-Notebook").first.wait_for(timeout=WAIT)
    page.get_by_text("Python 3 (ipykernel)").first.wait_for(timeout=WAIT)
    run_all(page)
    output(page, "not yet —").wait_for(timeout=WAIT)
    assert output(page, "visible checks passed").count() == 1
    box = page.locator('[data-mime-type="application/vnd.jupyter.stderr"]')
    assert box.text_content().startswith('swap_shelves("poetry", "crime") returned')
    show(box)
    page.screenshot(path=pictures / "message-notebook7.png")
    page.close()


@pytest.fixture
def lesson(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """An untouched copy of the course, and the right answers to the whole lesson."""
    folder = tmp_path / "work"
    start(ROOT, folder)
    return folder, references(nbformat.read(ROOT / "source" / WHOLE, as_version=4))


def test_a_whole_lesson_answered_in_the_browser_is_ticked_and_stays_so(
    chromium: Any,
    jupyterlab: Callable[[Path], str],
    lesson: tuple[Path, dict[str, str]],
    pictures: Path,
    tmp_path: Path,
) -> None:
    work, answers = lesson
    page = chromium.new_page(viewport={"width": 1200, "height": 1100})
    address = jupyterlab(work)
    open_notebook(page, address, WHOLE)
    notebook = json.loads((work / WHOLE).read_text())
    place = {cell["id"]: number for number, cell in enumerate(notebook["cells"])}
    for exercise, answer in answers.items():
        type_into(page, place[exercise], answer)
    run_all(page)
    done = output(page, "Every exercise of this lesson is ticked")
    done.wait_for(timeout=WAIT)
    assert output(page, "visible checks passed").is_visible()
    assert (
        page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    )
    show(done)
    page.screenshot(path=pictures / "lesson-done.png")
    page.keyboard.press("Control+s")
    page.get_by_text("Saving completed").wait_for(timeout=WAIT)

    open_notebook(page, address, WHOLE)
    done.wait_for(timeout=WAIT)
    records = ProgressStore(tmp_path / "progress.json").read().checks
    checks = [
        cell["id"] for cell in notebook["cells"] if cell["id"].startswith("test-")
    ]
    assert checks
    assert all(records[check].passed for check in checks)

    show(done)
    done.get_by_role("link").click()
    page.get_by_role("tab", name=re.compile(r"12_practice_set\.ipynb")).wait_for(
        timeout=WAIT
    )
    page.close()


def type_into(page: Any, number: int, text: str) -> None:
    """Replace what stands in a cell, as by hand."""
    editor = page.locator(f'.jp-Cell[data-windowed-list-index="{number}"] .cm-content')
    editor.scroll_into_view_if_needed(timeout=WAIT)
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def test_nothing_distracts_a_learner(
    chromium: Any, jupyterlab: Callable[[Path], str], work: Path, pictures: Path
) -> None:
    page = chromium.new_page(viewport={"width": 1200, "height": 1100})
    address = jupyterlab(work)
    open_notebook(page, address, "start_here/00_welcome.ipynb")
    page.wait_for_timeout(5000)  # the news question comes some seconds after the start
    assert page.get_by_text("Would you like to").count() == 0
    assert page.locator(".jp-Dialog, .Toastify__toast").count() == 0
    for name in ("Nbgrader", "Create Assignment", "Validate", "Formgrader"):
        assert page.get_by_text(name, exact=True).count() == 0, name
    names = page.locator(".jp-DirListing-itemText").all_text_contents()
    assert names == ["00_welcome.ipynb"]
    page.screenshot(path=pictures / "start_here-first.png")
    page.goto(f"{address}/lab?reset")
    page.locator(".jp-Launcher").first.wait_for(timeout=WAIT)
    assert page.locator(".jp-LauncherCard", has_text="sandbox").count() == 0
    page.screenshot(path=pictures / "launcher.png")
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
    assert "hidden remain" in output(page, "visible checks passed").text_content()
    box = page.locator('[data-mime-type="application/vnd.jupyter.stderr"]')
    message = box.text_content()
    assert message.startswith('swap_shelves("poetry", "crime") returned')
    fold = page.locator(".jp-OutputArea-output details")
    assert "Traceback (most recent call last)" in fold.text_content()
    assert not fold.locator("pre").is_visible()
    show(box)
    page.screenshot(path=pictures / "message.png")
    fold.locator("summary").click()
    fold.locator("pre").wait_for(timeout=WAIT)
    page.screenshot(path=pictures / "message-unfolded.png")
    page.locator(".jp-RenderedMermaid").first.wait_for(timeout=WAIT)
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
