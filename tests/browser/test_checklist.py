"""The checklist in a real JupyterLab: by keyboard alone, for screen readers, on any screen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

from roadmap.lessons.answers import fill, references
from roadmap.lessons.index import Course
from roadmap.lessons.work import start
from roadmap.progress import Outcome, ProgressStore
from roadmap.progress.records import Evidence, Plan

from .test_learning import LESSON, ROOT, WAIT, dark_theme, open_notebook

MOST_TABS = 150
WIDGET = ".jp-OutputArea-output .widget-vbox"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A learner's copy, with the right answers to one lesson."""
    folder = tmp_path / "work"
    start(ROOT, folder)
    source = nbformat.read(ROOT / "source" / LESSON, as_version=4)
    mine = fill(nbformat.read(folder / LESSON, as_version=4), references(source))
    nbformat.write(mine, folder / LESSON)
    return folder


@pytest.fixture
def busy_weeks(work: Path, tmp_path: Path) -> None:
    """Six weeks of learning: two lessons done, mistakes made, a plan and evidence."""
    lessons = [lesson for _, lesson in Course.find(work).lessons()]
    now = datetime.now().astimezone()
    day = [now - timedelta(days=40)]
    store = ProgressStore(tmp_path / "progress.json", lambda: day[0])
    store.set_plan(Plan(day[0].date(), 8))
    for exercise in (*lessons[1].exercises, *lessons[2].exercises):
        day[0] += timedelta(days=2)
        for check in exercise.checks:
            store.record({check.id: Outcome(False, "nothing the course has named")})
            store.record({check.id: Outcome(True)})
    first, second, *_ = lessons[3].exercises
    alarm = next(iter(first.checks)).id
    for message in ("one thing", "another thing"):
        store.record({alarm: Outcome(False, message)})
    hidden = {check.id: Outcome(True) for check in second.checks}
    store.record(hidden)
    store.record(dict.fromkeys(hidden, Outcome(False, "other values", full=True)))
    store.set_counter("problems", 37)
    for name in ("Two sums", "Anagrams"):
        store.add_evidence("problems", Evidence(name, link="https://example.org"))
    store.add_evidence(
        "applications", Evidence("A company", "Backend intern", "", now.date())
    )


def show_checklist(page: Any, address: str) -> None:
    """Open the start page and run its first cells, down to the checklist."""
    open_notebook(page, address, "start_here/00_welcome.ipynb")
    page.locator(".jp-CodeCell", has_text="%load_ext roadmap").first.click()
    for _ in range(3):
        page.keyboard.press("Shift+Enter")
    page.get_by_role("button", name="Export …").wait_for(timeout=WAIT)
    page.get_by_text("Take your progress along").wait_for(timeout=WAIT)


def focused(page: Any) -> str:
    """What a screen reader would say of the focused element: its label, or its text."""
    return page.evaluate(
        """() => {
            const e = document.activeElement;
            const label = e.labels && e.labels.length ? e.labels[0].innerText : "";
            return (label || e.innerText || e.title || "").trim();
        }"""
    )


def tab_to(page: Any, name: str, key: str = "Tab") -> None:
    """Press Tab until the focus is on what is called ``name`` …"""
    met = []
    for _ in range(MOST_TABS):
        page.keyboard.press(key)
        met.append(focused(page).split("\n")[0])
        if met[-1].startswith(name):
            return
    raise AssertionError(f"no way to {name!r} by {key}; met {met}")


def until(page: Any, holds: Callable[[], bool]) -> None:
    """Let the page work until something holds that is not shown on it."""
    for _ in range(WAIT // 200):
        if holds():
            return
        page.wait_for_timeout(200)
    raise AssertionError("it did not come to hold")


def test_the_keyboard_is_enough(
    chromium: Any, jupyterlab: Callable[[Path], str], work: Path, tmp_path: Path
) -> None:
    store = ProgressStore(tmp_path / "progress.json")
    (first, *_) = Course.find(work).select([LESSON])[0][1].exercises
    store.record({first.checks[0].id: Outcome(False, "no")})
    page = chromium.new_page(viewport={"width": 1200, "height": 1100})
    show_checklist(page, jupyterlab(work))

    tab_to(page, "Import", "Shift+Tab")  # back up from the cell below
    tab_to(page, "GitHub profile", "Shift+Tab")
    page.keyboard.press("Space")
    until(page, lambda: store.read().counters["github_profile"] == 1)

    tab_to(page, "Evidence", "Shift+Tab")
    page.keyboard.press("Enter")
    tab_to(page, "Project")
    page.keyboard.type("Reading room")
    tab_to(page, "Link")
    page.keyboard.type("https://example.org/reading-room")
    tab_to(page, "Add")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Reading room").wait_for(timeout=WAIT)
    assert store.read().count("projects") == 1

    tab_to(page, "Start here", "Shift+Tab")
    assert page.locator("details.rm-phase[open]").count() == 1
    page.keyboard.press("Enter")
    assert page.locator("details.rm-phase[open]").count() == 2

    tab_to(page, "Hours a week", "Shift+Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("5")
    tab_to(page, "I began on", "Shift+Tab")
    for _ in range(2):  # from the year, the last part by Shift+Tab, to the month
        page.keyboard.press("ArrowLeft")
    page.keyboard.type("01052026")
    page.get_by_text("At 5 hours a week").wait_for(timeout=WAIT)
    until(page, lambda: store.read().plan == Plan(date(2026, 1, 5), 5))

    tab_to(page, "Check my work", "Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_text("exercises pass, hidden tests included").wait_for(timeout=3 * WAIT)
    assert store.read().checks[first.checks[0].id].full == "passed"
    assert focused(page) == "Check my work"

    tab_to(page, "Open the lesson", "Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_role("tab", name="00_welcome.ipynb").wait_for(timeout=WAIT)
    page.close()


@pytest.mark.usefixtures("busy_weeks")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_fault_and_nothing_is_wider_than_a_narrow_window(
    chromium: Any,
    jupyterlab: Callable[[Path], str],
    work: Path,
    pictures: Path,
    theme: str,
) -> None:
    address = jupyterlab(work)
    if theme == "dark":
        dark_theme(work.parent / "home")
    page = chromium.new_page(viewport={"width": 1200, "height": 2200})
    show_checklist(page, address)
    page.locator(WIDGET).first.evaluate("e => e.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(1000)
    page.screenshot(path=pictures / f"checklist-{theme}.png")
    for name in ("Evidence …", "Export …", "Import …"):
        while page.get_by_role("button", name=name).count():
            page.get_by_role("button", name=name).first.click()
    page.locator(".rm-lesson summary").first.click()
    page.get_by_role("link", name="Download as a file").wait_for(timeout=WAIT)

    found = Axe().run(page, WIDGET)
    assert found.violations_count == 0, found.generate_report()

    page.set_viewport_size({"width": 480, "height": 2200})
    page.keyboard.press("Control+b")  # the file browser takes half of it
    page.wait_for_timeout(1000)
    page.locator(WIDGET).first.evaluate("e => e.scrollIntoView({block: 'start'})")
    page.screenshot(path=pictures / f"checklist-narrow-{theme}.png")
    wide = page.locator(f"{WIDGET} *").evaluate_all(
        """all => all.filter(e => e.scrollWidth > e.clientWidth + 2
            && !["visible", "clip"].includes(getComputedStyle(e).overflowX)
            && !["TEXTAREA", "INPUT", "SELECT", "PRE"].includes(e.tagName))
            .map(e => e.className)"""
    )
    assert wide == []
    page.close()


@pytest.mark.usefixtures("busy_weeks")
def test_a_tip_leads_to_its_heading_and_the_export_can_be_saved(
    chromium: Any, jupyterlab: Callable[[Path], str], work: Path, tmp_path: Path
) -> None:
    page = chromium.new_page(viewport={"width": 1200, "height": 1100})
    show_checklist(page, jupyterlab(work))
    page.get_by_role("button", name="Export …").click()
    with page.expect_download(timeout=WAIT) as saved:
        page.get_by_role("link", name="Download as a file").click()
    saved.value.save_as(tmp_path / "mine.json")
    kept = (tmp_path / "progress.json").read_text(encoding="utf-8")
    assert (tmp_path / "mine.json").read_text(encoding="utf-8") == kept

    # JupyterLab scrolls to a heading only in a notebook that it has already drawn.
    for _ in range(2):
        page.get_by_role("tab", name="00_welcome.ipynb").click()
        page.get_by_role("link", name="Common mistakes").first.click()
        lesson = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        lesson.get_by_role("heading", name="Recap").wait_for(timeout=WAIT)
    page.wait_for_function(
        """() => {
            const shown = ".jp-NotebookPanel:not(.lm-mod-hidden) h2";
            const heading = [...document.querySelectorAll(shown)].find(
                e => e.textContent.startsWith("Common mistakes"));
            const top = heading.getBoundingClientRect().top;
            return top > 0 && top < innerHeight;
        }""",
        timeout=WAIT,
    )
    page.close()
