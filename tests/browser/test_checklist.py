"""The checklist in a real JupyterLab: by keyboard alone, for screen readers, on any screen."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

from roadmap.lessons.answers import fill, references
from roadmap.lessons.index import Course, Lesson
from roadmap.lessons.mistakes import Mistakes
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


def named_messages(work: Path, *lessons: Lesson) -> Iterator[tuple[str, str]]:
    """One message of each lesson that is written out in a check, and tells a known mistake."""
    known = Mistakes.beside(work / "start_here" / "course.json")
    for lesson in lessons:
        path = work / "phase1_basics" / f"{lesson.name}.ipynb"
        cells = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
        yield next(
            (check.id, node.msg.value)
            for exercise in lesson.exercises
            for check in exercise.checks
            for node in ast.walk(ast.parse(cells[check.id].source))
            if isinstance(node, ast.Assert) and isinstance(node.msg, ast.Constant)
            if known.why(exercise.id, check.id, node.msg.value)
        )


@pytest.fixture
def busy_weeks(work: Path, tmp_path: Path) -> None:
    """Weeks of learning: three lessons done, mistakes made, a plan and evidence."""
    lessons = [lesson for _, lesson in Course.find(work).lessons()]
    now = datetime.now().astimezone()
    day = [now - timedelta(days=24)]
    store = ProgressStore(tmp_path / "progress.json", lambda: day[0])
    store.set_plan(Plan(day[0].date(), 8))
    welcome = {
        check.id: Outcome(True) for e in lessons[0].exercises for check in e.checks
    }
    store.record(welcome)
    for exercise in (*lessons[1].exercises, *lessons[2].exercises):
        day[0] += timedelta(days=1)
        for check in exercise.checks:
            for told in ("nothing the course has named", None, None):
                store.record({check.id: Outcome(told is None, told)})
    for check, message in named_messages(work, *lessons[2:4]):
        store.record({check: Outcome(False, message)})
        day[0] += timedelta(days=2)
    hidden = {check.id: Outcome(True) for check in lessons[3].exercises[1].checks}
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


def unfold(page: Any, name: str) -> None:
    """Click all buttons called ``name``; each is called otherwise then."""
    buttons = page.get_by_role("button", name=name)
    while left := buttons.count():
        buttons.first.click()
        until(page, lambda left=left: buttons.count() < left)


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
    phase = page.locator("details.rm-phase", has_text="Start here")
    assert phase.get_attribute("open") is not None
    page.keyboard.press("Enter")
    assert phase.get_attribute("open") is None

    tab_to(page, "Hours a week", "Shift+Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("5")
    tab_to(page, "I began on", "Shift+Tab")
    for _ in range(3):  # from the calendar's button, the last part, to the month
        page.keyboard.press("Shift+Tab")
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
    assert page.locator(".rm-cards li b").count() == 2, "two mistakes are named"
    around = page.locator(WIDGET).first.bounding_box()
    part = {**around, "x": around["x"] - 16, "height": min(around["height"], 1500)}
    page.screenshot(path=pictures / f"checklist-{theme}.png", clip=part)
    for name in ("Evidence …", "Export …", "Import …"):
        unfold(page, name)
    page.locator(".rm-phase[open] .rm-lesson summary").first.click()
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
def test_a_tip_leads_to_its_lesson_and_the_export_can_be_saved(
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

    # Whether JupyterLab also scrolls there hangs on what it has drawn of the lesson by then.
    tip = page.get_by_role("link", name="Common mistakes").first
    assert str(tip.get_attribute("href")).endswith("#Common-mistakes")
    tip.click()
    lesson = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    lesson.get_by_role("heading", name="Common mistakes").wait_for(
        state="attached", timeout=WAIT
    )
    page.close()
