"""The checklist's controls: what they write, what they show, and what they say."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

from roadmap.lessons.index import Course
from roadmap.lessons.mistakes import Mistakes, tell_apart
from roadmap.progress import Outcome, ProgressStore, panels
from roadmap.progress.exchange import as_text
from roadmap.progress.records import Plan
from roadmap.progress.widget import ChecklistView
from tests.progress.test_widget import html_of, only, tree

PASS = Outcome(True)
TODAY = datetime(2026, 1, 20, 12, tzinfo=UTC)


@pytest.fixture
def view(course: Course, progress_file: Path) -> ChecklistView:
    store = ProgressStore(progress_file, lambda: TODAY)
    told = tell_apart([("test-alias", "alias is 3", "copies: = copies")], [])
    return ChecklistView(course, store, Mistakes({"alias": told}))


def hidden(view: ChecklistView, widget: ipywidgets.Widget) -> bool:
    """Whether it lies in something that is folded away."""
    return any(
        box.layout.display == "none" and widget in tree(box)
        for box in tree(view)
        if isinstance(box, ipywidgets.Box)
    )


def of_goal(view: ChecklistView, title: str) -> panels.GoalPanel:
    (found,) = [
        w
        for w in tree(view)
        if isinstance(w, panels.GoalPanel) and any(title in c for c in labels(w))
    ]
    return found


def labels(widget: ipywidgets.Widget) -> list[str]:
    return [w.description for w in tree(widget) if hasattr(w, "description")]


def press(widget: ipywidgets.Widget, label: str) -> None:
    (button,) = [
        w
        for w in tree(widget)
        if isinstance(w, ipywidgets.Button) and w.description.startswith(label)
    ]
    button.click()


def test_a_start_and_hours_give_a_dated_plan(
    view: ChecklistView, store: ProgressStore
) -> None:
    assert "Choose the day you began" in html_of(view)

    only(view, ipywidgets.DatePicker, "I began on").value = date(2026, 1, 5)
    only(view, ipywidgets.BoundedFloatText, "Hours").value = 7

    assert store.read().plan == Plan(date(2026, 1, 5), 7)
    html = html_of(view)
    assert "You are 15 days behind your plan." in html
    assert "12 hours a week for 4 weeks would make up for it." not in html
    assert "11 hours a week for 4 weeks would make up for it." in html
    assert "1 month · until 17 Feb" in html
    assert "60 min · by 22 Jan" in html


def test_a_plan_in_the_file_is_shown_and_not_written_again(
    course: Course, store: ProgressStore
) -> None:
    store.set_plan(Plan(date(2026, 1, 5), 20))
    before = store.path.stat().st_mtime_ns

    view = ChecklistView(course, store)
    view.refresh()

    assert only(view, ipywidgets.DatePicker, "began").value == date(2026, 1, 5)
    assert only(view, ipywidgets.BoundedFloatText, "Hours").value == 20
    assert store.read().plan.hours == 20
    assert store.path.stat().st_mtime_ns == before


def test_hours_can_be_put_back_to_what_they_were(
    view: ChecklistView, store: ProgressStore
) -> None:
    hours = only(view, ipywidgets.BoundedFloatText, "Hours")
    for value in (8, 10):
        hours.value = value
        assert store.read().plan.hours == value


def test_a_start_to_come_and_a_hopeless_delay_are_told_kindly(
    view: ChecklistView,
) -> None:
    start = only(view, ipywidgets.DatePicker, "began")

    start.value = date(2026, 2, 1)
    assert "You begin on 1 Feb." in html_of(view)

    only(view, ipywidgets.BoundedFloatText, "Hours").value = 39
    start.value = date(2025, 1, 1)
    assert "Choose a later start" in html_of(view)


def test_evidence_is_folded_away_and_counts_when_added(
    view: ChecklistView, store: ProgressStore
) -> None:
    goal = of_goal(view, "Problems")
    what, link = [w for w in tree(goal) if isinstance(w, ipywidgets.Text)]
    assert hidden(view, what)
    press(goal, "Evidence")
    assert not hidden(view, what)

    what.value, link.value = "Two <sums>", "https://example.org/?a=1&b=2"
    press(goal, "Add")

    assert store.read().count("problems") == 1
    html = html_of(view)
    assert (
        '<a href="https://example.org/?a=1&amp;b=2" target="_blank" '
        'rel="noopener">Two &lt;sums&gt;</a>'
    ) in html
    assert "</b>1 of 100+</span>" in html
    assert (what.value, link.value) == ("", "")
    press(goal, "Hide")
    assert hidden(view, what)


@pytest.mark.parametrize(
    ("what", "link", "said"),
    [
        ("", "", "without a name and without a link"),
        ("x", "javascript:alert(1)", "begins with https://"),
        ("x", "example.org", "begins with https://"),
    ],
)
def test_evidence_that_cannot_be_taken_is_told_and_stays_to_be_put_right(
    view: ChecklistView, store: ProgressStore, what: str, link: str, said: str
) -> None:
    goal = of_goal(view, "Problems")
    fields = [w for w in tree(goal) if isinstance(w, ipywidgets.Text)]
    for field, value in zip(fields, (what, link), strict=True):
        field.value = value

    press(goal, "Add")

    assert said in html_of(view)
    assert store.read().evidence["problems"] == ()
    assert [field.value for field in fields] == [what, link]


def test_an_entry_can_be_taken_away_again(
    view: ChecklistView, store: ProgressStore
) -> None:
    goal = of_goal(view, "openings")
    company, role, _ = [w for w in tree(goal) if isinstance(w, ipywidgets.Text)]
    (day,) = [w for w in tree(goal) if isinstance(w, ipywidgets.DatePicker)]
    for name in ("One", "Two"):
        company.value, role.value, day.value = name, "Intern", date(2026, 1, 2)
        press(goal, "Add")
    assert "Intern · 2 Jan" in html_of(view)

    press(goal, "Remove")

    assert [one.what for one in store.read().evidence["applications"]] == ["Two"]


def test_a_profile_has_a_link_only_and_the_link_ticks_it(
    view: ChecklistView, store: ProgressStore
) -> None:
    goal = of_goal(view, "GitHub")
    (link,) = [w for w in tree(goal) if isinstance(w, ipywidgets.Text)]
    link.value = "https://example.org/me"
    press(goal, "Add")

    assert store.read().count("github_profile") == 1
    assert only(view, ipywidgets.Checkbox, "GitHub").value is True


def test_tips_and_repetitions_are_shown_with_links(
    view: ChecklistView, store: ProgressStore
) -> None:
    early = ProgressStore(store.path, lambda: datetime(2026, 1, 10, 12, tzinfo=UTC))
    early.record({"test-wait": Outcome(False, "waits")})
    early.record({"test-wait": PASS})
    early.record({"test-alias": Outcome(False, "alias is 3")})
    view.refresh()

    html = html_of(view)

    assert "<b>Copies: = copies.</b> Seen in" in html
    link = "../phase1_basics/01_values_and_names.ipynb#Exercise%3A-Predict-the-alias"
    assert f'<a href="{link}">Predict the alias</a>, once.' in html
    assert "#Common-mistakes" in html
    assert "Do again today" in html
    assert "first time" in html


def test_export_gives_a_file_and_a_text_that_import_takes(
    view: ChecklistView, store: ProgressStore, tmp_path: Path, course: Course
) -> None:
    store.record({"test-alias": PASS})
    press(view, "Export")
    text = only(view, ipywidgets.Textarea, "copy").value
    assert 'download="my-roadmap-progress.json"' in html_of(view)
    assert text == as_text(store.read())

    other = ProgressStore(tmp_path / "other.json")
    there = ChecklistView(course, other)
    press(there, "Import …")
    only(there, ipywidgets.Textarea, "Paste").value = text
    press(there, "Import the text")

    assert other.read().checks["test-alias"].passed
    assert "1 new tick" in html_of(there)
    assert only(there, ipywidgets.Textarea, "Paste").value == ""


def test_a_chosen_file_is_imported_and_a_broken_one_is_told(
    view: ChecklistView, store: ProgressStore, tmp_path: Path
) -> None:
    other = ProgressStore(tmp_path / "other.json")
    other.record({"test-alias": PASS})
    upload = only(view, ipywidgets.FileUpload, "Choose")

    def choose(content: bytes) -> None:
        upload.value = (
            {
                "name": "mine.json",
                "type": "",
                "size": len(content),
                "content": memoryview(content),
                "last_modified": TODAY,
            },
        )

    choose(b"\xff broken")
    assert "mine.json: not an exported progress" in html_of(view)
    assert store.read().checks == {}

    choose(other.path.read_bytes())
    assert store.read().checks["test-alias"].passed
    assert upload.value == ()


@pytest.fixture
def check(view: ChecklistView, store: ProgressStore) -> Iterator[panels.CheckPanel]:
    (panel,) = [w for w in tree(view) if isinstance(w, panels.CheckPanel)]
    return panel


def test_the_lessons_that_are_begun_are_graded_in_a_process_of_their_own(
    view: ChecklistView,
    check: panels.CheckPanel,
    store: ProgressStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.record({"test-alias": Outcome(False, "no"), "test-wait": PASS})
    started: list[Any] = []
    real = subprocess.Popen

    def popen(command: list[str], **settings: Any) -> Any:
        started.append((command, settings["env"]["ROADMAP_PROGRESS_FILE"]))
        code = "print('  ✓ One: 2 of 2'); print('  ✗ Two: <b>')"
        return real([command[0], "-c", code], **settings)

    monkeypatch.setattr(panels.subprocess, "Popen", popen)

    asyncio.run(check.check())

    ((command, place),) = started
    assert command[1:] == [
        "-m",
        "roadmap",
        "check",
        "phase1_basics/01_values_and_names",
        "phase1_basics/04_loops",
    ]
    assert place == str(store.path)
    html = html_of(view)
    assert '<p role="alert">1 exercises pass, 1 do not yet:</p>' in html
    assert "Two: &lt;b&gt;" in html


def test_nothing_begun_nothing_graded(
    view: ChecklistView, check: panels.CheckPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panels.subprocess, "Popen", None)

    asyncio.run(check.check())

    assert "Nothing to check yet" in html_of(view)


def test_a_check_can_be_stopped_and_started_again(
    view: ChecklistView,
    check: panels.CheckPanel,
    store: ProgressStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.record({"test-wait": PASS})
    real = subprocess.Popen
    monkeypatch.setattr(
        panels.subprocess,
        "Popen",
        lambda command, **settings: real(
            [command[0], "-c", "import time; time.sleep(60)"], **settings
        ),
    )

    async def stop() -> None:
        press(check, "Check my work")
        while "Stop checking" not in labels(check):
            await asyncio.sleep(0.01)
        press(check, "Stop checking")
        while "Check my work" not in labels(check):
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(stop(), 30))

    assert '<p role="alert">Stopped.</p>' in html_of(view)


def test_an_error_of_the_check_is_shown_as_it_is(
    view: ChecklistView,
    check: panels.CheckPanel,
    store: ProgressStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The real command, in a folder that belongs to no course."""
    store.record({"test-wait": PASS})
    monkeypatch.chdir(tmp_path)

    asyncio.run(check.check())

    html = html_of(view)
    assert "The check could not be made:" in html
    assert "Traceback" not in html
