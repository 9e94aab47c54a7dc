"""The checklist as a widget, and as text where nothing draws it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import ipywidgets
import nbformat
import pytest
from nbclient import NotebookClient

from roadmap.errors import RoadmapError
from roadmap.lessons.index import Check, Course, Exercise, Lesson, Phase
from roadmap.lessons.mistakes import Mistakes
from roadmap.progress import Outcome, Overview, ProgressStore, as_table, checklist
from roadmap.progress.widget import ChecklistView

PASSED = Outcome(True)
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def tree(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from tree(child)


def only(view: ChecklistView, kind: type[Any], label: str) -> Any:
    (found,) = [w for w in tree(view) if isinstance(w, kind) and label in w.description]
    return found


def html_of(view: ChecklistView) -> str:
    """All that the view shows as HTML, in order."""
    pieces = []
    for widget in tree(view):
        if isinstance(widget, ipywidgets.Output):
            pieces += [output["data"]["text/html"] for output in widget.outputs]
        elif isinstance(widget, ipywidgets.HTML):
            pieces.append(widget.value)
    return "\n".join(pieces)


@pytest.fixture
def view(course: Course, store: ProgressStore) -> ChecklistView:
    return ChecklistView(course, store)


def test_it_is_a_widget_and_carries_the_table_as_text(
    view: ChecklistView, course: Course, store: ProgressStore
) -> None:
    store.record({"test-carts": PASSED})

    bundle = view._repr_mimebundle_()

    assert bundle is not None
    assert bundle[WIDGET_VIEW]["model_id"] == view.model_id
    today = store.today()
    shown = Overview.build(course, store.read(), Mistakes(), today)
    assert bundle["text/plain"] == as_table(shown)
    assert unescape(bundle["text/html"]) == f"<pre>{as_table(shown)}</pre>"


def test_phases_lessons_and_exercises_are_shown_with_points(
    view: ChecklistView, store: ProgressStore
) -> None:
    store.record({"test-carts": PASSED, "test-carts-edge": PASSED})

    html = html_of(view)

    assert "Phase 1: Mastering the Basics" in html
    assert "started" in html
    assert "Two <code>carts</code>" in html
    assert "3.5 of 3.5 points" in html
    assert "1 of 4 exercises · 3.5 of 5.5 points" in html
    assert '<span class="rm-sums">1 of 2 · 3.5 of 4.5 points</span>' in html
    assert '<progress value="1" max="2" aria-label="Values and names">' in html


def test_lessons_link_to_their_notebooks(view: ChecklistView) -> None:
    href = 'href="../phase1_basics/01_values_and_names.ipynb"'

    assert f"<a {href}>Values and names</a>" in html_of(view)


def test_a_phase_without_lessons_is_coming(view: ChecklistView) -> None:
    (phase,) = [line for line in html_of(view).split("\n") if "Phase 2" in line]

    assert "coming" in phase
    assert "<details" not in phase


def test_the_phase_of_the_next_step_is_unfolded(
    view: ChecklistView, store: ProgressStore
) -> None:
    assert '<details class="rm-phase" open><summary><span class="rm-line">' in html_of(
        view
    )
    store.record({"test-run": PASSED})

    unfolded = [line for line in html_of(view).split("\n") if '"rm-phase" open' in line]

    assert len(unfolded) == 1
    assert "Phase 1" in unfolded[0]


def test_counters_write_to_the_store_at_once(
    view: ChecklistView, store: ProgressStore
) -> None:
    only(view, ipywidgets.BoundedIntText, "Problems").value = 37
    only(view, ipywidgets.BoundedIntText, "projects").value = 3
    only(view, ipywidgets.BoundedIntText, "openings").value = 4
    only(view, ipywidgets.Checkbox, "GitHub").value = True

    assert store.read().counters == {
        "problems": 37,
        "projects": 3,
        "github_profile": 1,
        "applications": 4,
    }
    html = html_of(view)
    for amount in ("37 of 100+", "3 of 3–5", "done", "4 of 15+"):
        assert f"</b>{amount}</span>" in html


def test_counters_show_what_the_store_holds_without_writing_it_again(
    course: Course, store: ProgressStore
) -> None:
    store.set_counter("problems", 12)
    before = store.path.stat().st_mtime_ns

    view = ChecklistView(course, store)
    view.refresh()

    assert only(view, ipywidgets.BoundedIntText, "Problems").value == 12
    assert store.path.stat().st_mtime_ns == before


def test_a_check_recorded_in_this_process_shows_by_itself(
    view: ChecklistView, store: ProgressStore
) -> None:
    ProgressStore(store.path).record({"test-run": PASSED})

    assert "1 of 4 exercises" in html_of(view)


def test_a_check_recorded_by_another_kernel_shows_on_refresh(
    view: ChecklistView, store: ProgressStore, tmp_path: Path
) -> None:
    elsewhere = ProgressStore(tmp_path / "elsewhere.json")
    elsewhere.record({"test-run": PASSED})
    store.path.parent.mkdir()
    elsewhere.path.rename(store.path)
    assert "0 of 4 exercises" in html_of(view)

    only(view, ipywidgets.Button, "Refresh").click()

    assert "1 of 4 exercises" in html_of(view)


def test_a_refresh_without_news_sends_nothing_so_unfolded_parts_stay_so(
    view: ChecklistView,
) -> None:
    view.refresh()
    changes: list[object] = []
    for widget in tree(view):
        widget.observe(changes.append)

    view.refresh()

    assert changes == []


def test_hostile_titles_are_text_not_html(store: ProgressStore) -> None:
    evil = "\"><script>alert(1)</script>'`<img src=x>`"
    exercise = Exercise("e", evil, (Check("test-e", 1, "0" * 64),))
    lesson = Lesson('"><b>', evil, None, (exercise,))
    course = Course((Phase('"><b>', evil, evil, (lesson,)), Phase("p", evil, evil, ())))

    html = html_of(ChecklistView(course, store))

    for tag in ("<script", "<img", "<b><"):
        assert tag not in html
    assert "alert(1)</script>" not in html
    assert "&lt;script&gt;" in html


def test_a_store_that_cannot_be_written_is_told_in_the_view(
    course: Course, tmp_path: Path
) -> None:
    (tmp_path / "a <file>").touch()
    view = ChecklistView(course, ProgressStore(tmp_path / "a <file>" / "progress.json"))

    only(view, ipywidgets.BoundedIntText, "Problems").value = 37

    assert "a &lt;file&gt;/progress.json: progress cannot be kept here" in html_of(view)
    bundle = view._repr_mimebundle_()
    assert bundle is not None
    assert "progress cannot be kept here" in bundle["text/plain"]


def test_a_broken_file_that_was_put_aside_is_told_on_first_show(
    lesson_folder: Path, store: ProgressStore
) -> None:
    store.path.parent.mkdir()
    store.path.write_text("broken")

    assert "progress.json.kept-1" in html_of(checklist())


def test_asking_again_in_one_kernel_gives_the_same_view_brought_up_to_date(
    lesson_folder: Path, store: ProgressStore
) -> None:
    first = checklist()
    store.record({"test-run": PASSED})

    assert checklist() is first
    assert "1 of 4 exercises" in html_of(first)


def test_outside_a_course_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(RoadmapError, match="work inside the course"):
        checklist()


def test_run_without_a_front_end_the_notebook_keeps_the_table(
    lesson_folder: Path, store: ProgressStore
) -> None:
    store.record({"test-carts": PASSED})
    cell = nbformat.v4.new_code_cell(
        "from roadmap.progress import checklist\n\nchecklist()"
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])

    NotebookClient(notebook, kernel_name="python3").execute(cwd=str(lesson_folder))

    (output,) = notebook.cells[0].outputs
    assert "◐ Values and names" in output.data["text/plain"]
    assert WIDGET_VIEW in output.data
    assert json.loads(store.path.read_text())["counters"]["problems"] == 0
