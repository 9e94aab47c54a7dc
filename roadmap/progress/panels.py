"""The checklist's controls: the plan, the final checklist, export and import, the full grade.

Each panel writes to the store at once; the view hears of it and calls ``show``.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import ipywidgets

from roadmap.errors import RoadmapError
from roadmap.progress import html
from roadmap.progress.exchange import NAME, as_text, import_into, read_export
from roadmap.progress.model import Goal, GoalProgress
from roadmap.progress.overview import Overview
from roadmap.progress.plan import ROADMAP_HOURS
from roadmap.progress.records import HOURS, Evidence, Plan, evidence, to_json
from roadmap.progress.store import ProgressStore

MOST = 9999
CHECK_SECONDS = 900

Tell = Callable[[str], None]


class _Panel(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Controls that belong together; what goes wrong is told, not raised."""

    def __init__(self, store: ProgressStore, tell: Tell) -> None:
        self._store = store
        self._tell = tell
        super().__init__()
        self.add_class("rm-panel")

    def _try(self, change: Callable[[], object]) -> bool:
        """Make a change; whether it could be made."""
        try:
            change()
        except (RoadmapError, ValueError) as error:
            self._tell(str(error))
            return False
        return True


class PlanPanel(_Panel):
    """When the learner began, their hours a week, and where that puts them."""

    def __init__(self, store: ProgressStore, tell: Tell) -> None:
        super().__init__(store, tell)
        self._start = ipywidgets.DatePicker(description="I began on", style=_wide())
        self._hours = ipywidgets.BoundedFloatText(
            description="Hours a week",
            min=HOURS[0],
            max=HOURS[1],
            step=0.5,
            value=ROADMAP_HOURS,
            style=_wide(),
            layout=ipywidgets.Layout(width="12em"),
        )
        self._words = ipywidgets.Output()
        self.children = (_row(self._start, self._hours), self._words)
        self._plan = Plan()
        self._start.observe(self._set_start, "value")
        self._hours.observe(self._set_hours, "value")

    def show(self, overview: Overview) -> None:
        """Bring the controls and the words up to date."""
        self._plan = overview.snapshot.plan
        self._start.value = self._plan.start
        self._hours.value = self._plan.hours or ROADMAP_HOURS
        show(self._words, html.plan(overview))

    # What a control tells is the learner's own unless it is what show has put there.

    def _set_start(self, change: dict[str, Any]) -> None:
        if change["new"] != self._plan.start:
            self._set(Plan(change["new"], self._plan.hours or ROADMAP_HOURS))

    def _set_hours(self, change: dict[str, Any]) -> None:
        if change["new"] != (self._plan.hours or ROADMAP_HOURS):
            self._set(Plan(self._plan.start, float(change["new"])))

    def _set(self, plan: Plan) -> None:
        self._try(lambda: self._store.set_plan(plan))


class GoalPanel(_Panel):
    """One line of the final checklist: a number or a tick, and the evidence for it."""

    _ASKED: ClassVar[dict[str, tuple[str, str, bool]]] = {
        "problems": ("Problem", "", False),
        "projects": ("Project", "", False),
        "github_profile": ("", "", False),
        "applications": ("Company", "Role", True),
    }

    def __init__(self, goal: Goal, store: ProgressStore, tell: Tell) -> None:
        super().__init__(store, tell)
        self._goal = goal
        self._count = 0
        self._items: tuple[Evidence, ...] = ()
        self._control = _counter(goal)
        self._amount = ipywidgets.Output(layout=ipywidgets.Layout(width="9em"))
        self._list = ipywidgets.Output()
        what, detail, dated = self._ASKED[goal.counter]
        self._what = _text(what) if what else None
        self._detail = _text(detail) if detail else None
        self._link = _text("Link")
        self._day = ipywidgets.DatePicker(description="Date") if dated else None
        self._gone = ipywidgets.Dropdown(
            description="Entry",
            style=_wide(),
            layout=ipywidgets.Layout(max_width="100%"),
        )
        fields = [self._what, self._detail, self._link, self._day]
        self._removal = _row(self._gone, _button("Remove", self._remove))
        inset = ipywidgets.VBox(
            (
                _row(*filter(None, fields), _button("Add", self._add)),
                self._list,
                self._removal,
            )
        )
        inset.add_class("rm-inset")
        toggle = _Toggle("Evidence", goal.title, inset)
        self.children = (_row(self._control, self._amount, toggle), inset)
        self._control.observe(self._set, "value")

    def show(
        self, progress: GoalProgress, items: tuple[Evidence, ...], today: date
    ) -> None:
        """Bring the number and the list up to date."""
        self._count = progress.count
        self._control.value = progress.count
        show(self._amount, html.goal(progress))
        show(self._list, html.evidence(items, today) if items else "")
        if items != self._items:
            self._gone.options = [
                (f"{number}. {one.what or one.link}", number)
                for number, one in enumerate(items, 1)
            ]
            self._gone.index = 0 if items else None
        self._items = items
        self._removal.layout.display = None if items else "none"

    def _set(self, change: dict[str, Any]) -> None:
        value = int(change["new"])
        if value != self._count:  # else it is the store's own, put there by show
            self._try(lambda: self._store.set_counter(self._goal.counter, value))

    def _add(self) -> None:
        def add() -> None:
            one = evidence(
                self._what.value if self._what else "",
                self._detail.value if self._detail else "",
                self._link.value,
                self._day.value if self._day else None,
            )
            self._store.add_evidence(self._goal.counter, one)

        if self._try(add):
            for field in filter(None, (self._what, self._detail, self._link)):
                field.value = ""

    def _remove(self) -> None:
        if self._gone.value:
            one = self._items[self._gone.value - 1]
            self._try(lambda: self._store.remove_evidence(self._goal.counter, one))


class CarryPanel(_Panel):
    """Export as a file or a text, and import of either."""

    def __init__(self, store: ProgressStore, tell: Tell) -> None:
        super().__init__(store, tell)
        self._download = ipywidgets.Output()
        self._text = _area("Or copy this text")
        self._given = _area("Paste a text here")
        self._files = ipywidgets.FileUpload(
            accept=".json,.txt", description="Choose a file", multiple=False
        )
        self._files.observe(self._import_file, "value")
        out = ipywidgets.VBox((self._download, self._text))
        into = ipywidgets.VBox(
            (self._files, self._given, _button("Import the text", self._import_text))
        )
        for inset in (out, into):
            inset.add_class("rm-inset")
        self.children = (
            _row(
                _Toggle("Export", "export", out, opened=self._export),
                _Toggle("Import", "import", into),
            ),
            out,
            into,
        )

    def _export(self) -> None:
        def fill() -> None:
            snapshot = self._store.read()
            show(self._download, html.download(to_json(snapshot), NAME))
            self._text.value = as_text(snapshot)

        self._try(fill)

    def _import_text(self) -> None:
        if self._import(self._given.value, "the text"):
            self._given.value = ""

    def _import_file(self, change: dict[str, Any]) -> None:
        for file in change["new"]:
            text = bytes(file["content"]).decode("utf-8-sig", errors="replace")
            self._import(text, file["name"])
        if change["new"]:
            self._files.value = ()

    def _import(self, text: str, name: str) -> bool:
        def change() -> None:
            said = import_into(self._store, read_export(text, name))
            self._tell(f"{said}.")

        return self._try(change)


class CheckPanel(_Panel):
    """The button that runs the full grade, in a process of its own, and shows what it says."""

    def __init__(
        self,
        store: ProgressStore,
        tell: Tell,
        begun: Callable[[], list[str]],
        refresh: Callable[[], None],
    ) -> None:
        super().__init__(store, tell)
        self._begun = begun
        self._refresh = refresh
        self._process: subprocess.Popen[str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._button = _button("Check my work", self._start_or_stop)
        self._button.add_class("rm-primary")
        self._button.tooltip = "Grade the lessons you have begun, hidden tests included"
        self._result = ipywidgets.Output()
        again = _button("Refresh", refresh)
        again.tooltip = "Read again what you did in other notebooks"
        self.children = (_row(self._button, again), self._result)

    def _start_or_stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
        elif self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self.check())

    async def check(self) -> None:
        """Grade the lessons that have been begun; the kernel stays free meanwhile."""
        lessons = self._begun()
        if not lessons:
            self._show("Nothing to check yet: run a check in a lesson first.")
            return
        self._show(
            f"Checking {len(lessons)} {'lesson' if len(lessons) == 1 else 'lessons'}, as "
            "last saved …"
        )
        command = [sys.executable, "-m", "roadmap", "check", *lessons]
        place = {"ROADMAP_PROGRESS_FILE": str(self._store.path), "NO_COLOR": "1"}
        try:
            self._process = subprocess.Popen(
                command,
                cwd=Path.cwd(),
                env={**os.environ, **place},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            )
            self._button.description = "Stop checking"
            said = await asyncio.to_thread(_wait, self._process)
            self._show(*_ended(self._process.returncode, said))
        except OSError as error:
            self._show(f"The check could not be started: {error.strerror or error}")
        finally:
            self._process = None
            self._refresh()
            self._button.description = "Check my work"

    def _show(self, summary: str, text: str = "") -> None:
        show(self._result, html.result(summary, text))


def _wait(process: subprocess.Popen[str]) -> str:
    """All that it prints; it is stopped after a while."""
    try:
        said, _ = process.communicate(timeout=CHECK_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        said += f"\nstopped after {CHECK_SECONDS // 60} minutes"
    return said


def _ended(code: int, said: str) -> tuple[str, str]:
    """A summary of a run, and its text."""
    if code < 0:
        return "Stopped.", said
    failed = sum(line.lstrip().startswith("✗") for line in said.splitlines())
    passed = sum(line.lstrip().startswith("✓") for line in said.splitlines())
    if not failed + passed:
        return "The check could not be made:", said
    if not failed:
        return f"All {passed} exercises pass, hidden tests included.", said
    return f"{passed} exercises pass, {failed} do not yet:", said


class _Toggle(ipywidgets.Button):  # type: ignore[misc]  # ipywidgets has no types
    """A button that shows and hides ``inset``, which it says."""

    def __init__(
        self,
        word: str,
        of: str,
        inset: ipywidgets.Widget,
        opened: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._word, self._of = word, of
        self._inset, self._opened = inset, opened
        self._turn(False)
        self.on_click(lambda _: self._turn(self._inset.layout.display == "none"))

    def _turn(self, shown: bool) -> None:
        self._inset.layout.display = None if shown else "none"
        self.description = f"Hide {self._word.lower()}" if shown else f"{self._word} …"
        self.tooltip = f"{self.description.rstrip(' …')}: {self._of}"
        if shown:
            self._opened()


def show(output: ipywidgets.Output, piece: str) -> None:
    """Draw ``piece`` in ``output``.

    An Output, unlike an HTML widget, resolves relative links as the notebook does. Setting
    the same outputs again sends nothing, so what a person has unfolded stays so.
    """
    data = {"output_type": "display_data", "data": {"text/html": piece}, "metadata": {}}
    output.outputs = (data,) if piece else ()


def _counter(goal: Goal) -> ipywidgets.BoundedIntText | ipywidgets.Checkbox:
    if not goal.wanted:
        return ipywidgets.Checkbox(
            description=goal.title,
            indent=False,
            layout=ipywidgets.Layout(width="26em", max_width="100%"),
        )
    return ipywidgets.BoundedIntText(
        description=goal.title,
        max=MOST,
        style={"description_width": "20em"},
        layout=ipywidgets.Layout(width="26em", max_width="100%"),
    )


def _text(label: str) -> ipywidgets.Text:
    layout = ipywidgets.Layout(width="18em", max_width="100%")
    return ipywidgets.Text(description=label, style=_wide(), layout=layout)


def _area(label: str) -> ipywidgets.Textarea:
    layout = ipywidgets.Layout(width="40em", max_width="100%")
    return ipywidgets.Textarea(description=label, rows=3, style=_wide(), layout=layout)


def _button(label: str, clicked: Callable[[], object]) -> ipywidgets.Button:
    button = ipywidgets.Button(description=label)
    button.on_click(lambda _: clicked())
    return button


def _row(*widgets: ipywidgets.Widget) -> ipywidgets.HBox:
    row = ipywidgets.HBox(widgets)
    row.add_class("rm-row")
    return row


def _wide() -> dict[str, str]:
    """A label as wide as its text."""
    return {"description_width": "initial"}
