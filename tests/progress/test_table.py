"""The checklist as text."""

from __future__ import annotations

import re
from textwrap import dedent

from rich.cells import cell_len

from roadmap.lessons.index import Course, Lesson, Phase
from roadmap.progress import Checklist, as_table
from roadmap.progress.records import Snapshot
from tests.progress.test_model import snapshot


def test_the_table_reads_like_this(course: Course) -> None:
    done = snapshot("test-run", "test-carts", "test-alias", problems=37, projects=3)

    assert as_table(Checklist.build(course, done)) + "\n" == dedent(
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

        Next: Values and names
              phase1_basics/01_values_and_names.ipynb
        """
    )


def test_when_all_is_done_it_says_so(course: Course) -> None:
    everything = [check.id for *_, check in course.checks()]

    table = as_table(Checklist.build(course, snapshot(*everything)))

    assert table.endswith("Every exercise there is so far is done.")
    assert "○ Wait" not in table


def test_exercises_are_listed_where_one_is_under_way_and_where_one_goes_on(
    course: Course,
) -> None:
    table = as_table(Checklist.build(course, snapshot(failed=("test-wait",))))

    assert "      ○ Run a cell" in table
    assert "Two carts" not in table
    assert "      ○ Wait for it" in table


def test_long_wide_and_broken_titles_stay_in_80_columns() -> None:
    titles = ["An extraordinarily long title " * 4, "数" * 30, "two\nlines\tand `code`"]
    lessons = tuple(Lesson(f"l{n}", title, None, ()) for n, title in enumerate(titles))
    course = Course((Phase("phase", "P" * 90, "1 month", lessons),))

    lines = as_table(Checklist.build(course, Snapshot())).split("\n")

    assert max(map(cell_len, lines)) == 80
    assert any(
        re.search("long title An extra[a-z]*…  *not begun", line) for line in lines
    )
    assert any("数数… " in line for line in lines)
    assert any("two lines and code" in line for line in lines)
