"""The checklist as text."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from textwrap import dedent

from rich.cells import cell_len

from roadmap.lessons.index import Course, Lesson, Phase
from roadmap.lessons.mistakes import Mistakes, tell_apart
from roadmap.progress import Outcome, Overview, as_table
from roadmap.progress.records import Plan, Snapshot
from tests.progress.conftest import overview_of
from tests.progress.test_model import snapshot
from tests.progress.test_repeat import history


def test_the_table_reads_like_this(course: Course) -> None:
    done = snapshot("test-run", "test-carts", "test-alias", problems=37, projects=3)

    assert as_table(overview_of(course, done)) + "\n" == dedent(
        """\
        Progress                                                    exercises     points
        ────────────────────────────────────────────────────────────────────────────────
        Start here                                                        1/1
          ✓ Welcome                                     done              1/1
        Phase 1: Mastering the Basics (1 month)                           1/3      3/5.5
          ◐ Values and names                            started           1/2      3/4.5
              ○ Two carts                                                          2/3.5
              ✓ Predict the alias                                                    1/1
          ○ Loops                                       not begun         0/1        0/1
        Phase 2: Object-Oriented Programming (2 weeks)  coming
        ────────────────────────────────────────────────────────────────────────────────
        Together                                                          2/4      3/5.5

        Final checklist
          ○ Problems solved on practice sites           37 of 100+
          ✓ Solid backend projects built                3 of 3–5
          ○ GitHub profile updated with all projects    not yet
          ○ Job and internship openings applied to      0 of 15+

        Seven systems
          · Library management                          coming
          · Blog                                        coming
          · Task manager                                coming
          · Weather dashboard                           coming
          · E-commerce backend                          coming
          · WebSocket chat                              coming
          · Portfolio site                              coming

        Checks run on 1 day in the last 12 weeks; 1 day in a row now, 1 at best.

        Next: Values and names
              phase1_basics/01_values_and_names.ipynb
        """
    )


def test_when_all_is_done_it_says_so(course: Course) -> None:
    everything = [check.id for *_, check in course.checks()]

    table = as_table(overview_of(course, snapshot(*everything)))

    assert table.endswith("Every exercise there is so far is done.")
    assert "○ Wait" not in table


def test_exercises_are_listed_where_one_is_under_way_and_where_one_goes_on(
    course: Course,
) -> None:
    table = as_table(overview_of(course, snapshot(failed=("test-wait",))))

    assert "      ○ Run a cell" in table
    assert "Two carts" not in table
    assert "      ○ Wait for it" in table


def test_long_wide_and_broken_titles_stay_in_80_columns() -> None:
    titles = ["An extraordinarily long title " * 4, "数" * 30, "two\nlines\tand `code`"]
    lessons = tuple(Lesson(f"l{n}", title, None, ()) for n, title in enumerate(titles))
    course = Course((Phase("phase", "P" * 90, "1 month", lessons),))

    lines = as_table(overview_of(course, Snapshot())).split("\n")

    assert max(map(cell_len, lines)) == 80
    assert any(
        re.search("long title An extra[a-z]*…  *not begun", line) for line in lines
    )
    assert any("数数… " in line for line in lines)
    assert any("two lines and code" in line for line in lines)


def test_the_plan_tips_and_repetitions_follow_as_far_as_there_are_any(
    course: Course,
) -> None:
    runs = [
        (0, "test-alias", Outcome(False, "alias is 3")),
        (0, "test-alias", Outcome(True)),
        (0, "test-wait", Outcome(False, "waits " * 30)),
    ]
    plan = Plan(date(2026, 1, 1), 7)
    shown = replace(history(*runs), plan=plan)
    overview = Overview.build(course, shown, Mistakes(), date(2026, 1, 6))

    table = as_table(overview)

    assert "You are 4 days ahead of your plan." in table
    assert "Tip: Wait for it. Read again: Common mistakes." in table
    assert "Tip: Predict the alias." in table
    assert "Do again from memory today: Predict the alias." in table
    assert max(map(cell_len, table.split("\n"))) == 80


def test_a_named_mistake_is_told_with_where_it_was_made(course: Course) -> None:
    told = tell_apart([("test-alias", "alias is 3", "= `copies`")], [])
    shown = history((0, "test-alias", Outcome(False, "alias is 4")))
    overview = Overview.build(
        course, shown, Mistakes({"alias": told}), date(2026, 1, 1)
    )

    assert "Tip: = copies (Predict the alias)." in as_table(overview)
