"""The checklist as a widget: what is done, and controls for what nobody else can count."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any

import ipywidgets

from roadmap.errors import RoadmapError
from roadmap.lessons.index import Course
from roadmap.progress import html
from roadmap.progress.model import GOALS, Checklist, Goal, PhaseProgress, Status
from roadmap.progress.records import Snapshot
from roadmap.progress.store import ProgressStore
from roadmap.progress.table import as_table

MOST = 9999


class ChecklistView(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The checklist of ``course``; what the controls say goes into ``store`` at once.

    It shows what the store holds from the first :meth:`refresh` on.
    """

    def __init__(self, course: Course, store: ProgressStore) -> None:
        self._course = course
        self._store = store
        self._snapshot = Snapshot()
        self._header = ipywidgets.Output()
        self._phases = [ipywidgets.Output() for _ in course.phases]
        self._controls = {goal.counter: _control(goal) for goal in GOALS}
        self._amounts = {goal.counter: ipywidgets.HTML() for goal in GOALS}
        self._notice = ""
        self._notice_line = ipywidgets.HTML()
        refresh = ipywidgets.Button(
            description="Refresh",
            tooltip="Read again what you did in other notebooks",
            layout=ipywidgets.Layout(width="auto", align_self="flex-start"),
        )
        refresh.on_click(lambda _: self.refresh())
        goals_heading = ipywidgets.Output()
        _show(goals_heading, html.goals_heading())
        rows = [
            ipywidgets.HBox(
                (self._controls[goal.counter], self._amounts[goal.counter]),
                layout=ipywidgets.Layout(flex_flow="row wrap", align_items="center"),
            )
            for goal in GOALS
        ]
        super().__init__(
            (
                self._header,
                refresh,
                self._notice_line,
                *self._phases,
                goals_heading,
                *rows,
            )
        )
        self._draw()
        for name, control in self._controls.items():
            control.observe(partial(self._set_counter, name), "value")
        store.watch(self.refresh)

    def refresh(self) -> None:
        """Read the store and redraw what has changed."""
        try:
            self._snapshot = self._store.read()
            self._tell(self._snapshot.notice)
        except RoadmapError as error:
            self._tell(str(error))
        self._draw()

    def _draw(self) -> None:
        checklist = self._checklist()
        _show(self._header, html.header(checklist))
        for output, phase in zip(self._phases, checklist.phases, strict=True):
            _show(output, html.phase(phase, opened=_is_current(phase, checklist)))
        for goal in checklist.goals:
            self._amounts[goal.goal.counter].value = html.goal(goal)
            self._controls[goal.goal.counter].value = goal.count

    def _checklist(self) -> Checklist:
        return Checklist.build(self._course, self._snapshot)

    def _set_counter(self, name: str, change: dict[str, Any]) -> None:
        value = int(change["new"])
        if value == self._snapshot.counters[name]:
            return  # the store's own value, put into the control by _draw
        try:
            self._store.set_counter(name, value)
        except RoadmapError as error:
            self._tell(str(error))

    def _tell(self, notice: str | None) -> None:
        self._notice = notice or ""
        self._notice_line.value = html.notice(self._notice)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        text = f"{as_table(self._checklist())}\n\n{self._notice}".rstrip()
        return bundle and {**bundle, "text/plain": text}


def current_view() -> ChecklistView:
    """This kernel's view of the course around the current folder, brought up to date.

    Raises:
        RoadmapError: there is no course index here or in a folder above.
    """
    view = _view(Course.find(Path.cwd()), ProgressStore().path)
    view.refresh()
    return view


@cache
def _view(course: Course, path: Path) -> ChecklistView:
    return ChecklistView(course, ProgressStore(path))


def _control(goal: Goal) -> ipywidgets.BoundedIntText | ipywidgets.Checkbox:
    if not goal.wanted:
        return ipywidgets.Checkbox(
            description=goal.title, indent=False, layout=ipywidgets.Layout(width="auto")
        )
    return ipywidgets.BoundedIntText(
        description=goal.title,
        max=MOST,
        style={"description_width": "20em"},
        layout=ipywidgets.Layout(width="27em", max_width="100%"),
    )


def _is_current(phase: PhaseProgress, checklist: Checklist) -> bool:
    """Whether to unfold it: the next step is there, or something is under way."""
    return checklist.next_lesson in phase.lessons or any(
        lesson.status is Status.STARTED for lesson in phase.lessons
    )


def _show(output: ipywidgets.Output, piece: str) -> None:
    # An Output, unlike an HTML widget, resolves relative links as the notebook does. Setting
    # the same outputs again sends nothing, so what a person has unfolded stays so.
    output.outputs = (
        {"output_type": "display_data", "data": {"text/html": piece}, "metadata": {}},
    )
