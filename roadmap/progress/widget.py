"""The checklist as a widget: what is done, what is next, and the learner's own controls."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets

from roadmap.errors import RoadmapError
from roadmap.lessons.index import Course, find_index
from roadmap.lessons.mistakes import Mistakes
from roadmap.progress import html
from roadmap.progress.model import GOALS, Checklist, PhaseProgress, Status
from roadmap.progress.overview import Overview
from roadmap.progress.panels import CarryPanel, CheckPanel, GoalPanel, PlanPanel, show
from roadmap.progress.records import Snapshot
from roadmap.progress.store import ProgressStore
from roadmap.progress.table import as_table


class ChecklistView(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The checklist of ``course``; what the controls say goes into ``store`` at once.

    ``mistakes`` are those that tips can name. It shows what the store holds from the
    first :meth:`refresh` on.
    """

    def __init__(
        self, course: Course, store: ProgressStore, mistakes: Mistakes | None = None
    ) -> None:
        self._course = course
        self._store = store
        self._mistakes = mistakes or Mistakes()
        self._snapshot = Snapshot()
        self._notice = ""
        self._header, self._notice_line, self._help, self._systems, self._activity = (
            ipywidgets.Output() for _ in range(5)
        )
        self._phases = [ipywidgets.Output() for _ in course.phases]
        self._check = CheckPanel(store, self._tell, self._begun, self.refresh)
        self._plan = PlanPanel(store, self._tell)
        self._goals = {
            goal.counter: GoalPanel(goal, store, self._tell) for goal in GOALS
        }
        super().__init__(
            (
                self._header,
                self._notice_line,
                self._help,
                self._check,
                _fixed(html.plan_heading()),
                self._plan,
                _fixed(html.phases_heading()),
                *self._phases,
                self._systems,
                _fixed(html.goals_heading()),
                *self._goals.values(),
                self._activity,
                _fixed(html.carry_heading()),
                CarryPanel(store, self._tell),
            )
        )
        self._draw()
        store.watch(self.refresh)

    def refresh(self) -> None:
        """Read the store and redraw what has changed."""
        try:
            self._snapshot = self._store.read()
            self._tell(self._snapshot.notice)
        except RoadmapError as error:
            self._tell(str(error))
        self._draw()

    def overview(self) -> Overview:
        """What is shown, as of today."""
        return Overview.build(
            self._course, self._snapshot, self._mistakes, self._store.today()
        )

    def _draw(self) -> None:
        overview = self.overview()
        checklist = overview.checklist
        show(self._header, html.header(overview))
        show(self._help, html.help_for_today(overview))
        self._plan.show(overview)
        for output, phase in zip(self._phases, checklist.phases, strict=True):
            opened = _is_current(phase, checklist)
            show(output, html.phase(phase, overview, opened=opened))
        show(self._systems, html.systems(checklist.systems))
        for goal in checklist.goals:
            name = goal.goal.counter
            items = self._snapshot.evidence[name]
            self._goals[name].show(goal, items, overview.today)
        show(self._activity, html.activity(overview.activity))

    def _begun(self) -> list[str]:
        """The lessons that have something to grade."""
        return [
            f"{lesson.phase}/{lesson.lesson.name}"
            for lesson in self.overview().checklist.lessons
            if lesson.status in (Status.STARTED, Status.DONE)
        ]

    def _tell(self, notice: str | None) -> None:
        self._notice = notice or ""
        show(self._notice_line, html.notice(self._notice) if self._notice else "")

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        text = f"{as_table(self.overview())}\n\n{self._notice}".rstrip()
        # Where nothing draws widgets, VS Code cuts plain text after thirty lines, and HTML not.
        page = f"<pre>{escape(text)}</pre>"
        return bundle and {**bundle, "text/html": page, "text/plain": text}


def current_view() -> ChecklistView:
    """This kernel's view of the course around the current folder, brought up to date.

    Raises:
        RoadmapError: there is no course index here or in a folder above.
    """
    start = Path.cwd()
    view = _view(Course.find(start), find_index(start), ProgressStore().path)
    view.refresh()
    return view


@cache
def _view(course: Course, index: Path, path: Path) -> ChecklistView:
    return ChecklistView(course, ProgressStore(path), Mistakes.beside(index))


def _fixed(piece: str) -> ipywidgets.Output:
    output = ipywidgets.Output()
    show(output, piece)
    return output


def _is_current(phase: PhaseProgress, checklist: Checklist) -> bool:
    """Whether to unfold it: the next step is there, or something is under way."""
    return checklist.next_lesson in phase.lessons or any(
        lesson.status is Status.STARTED for lesson in phase.lessons
    )
