"""`roadmap audit`: what it catches, what it keeps, and what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from roadmap.audit import kernels
from roadmap.audit.run import ENVIRONMENTS
from roadmap.cli import main
from roadmap.lessons.build import build
from roadmap.lessons.mistakes import MISTAKES_FILE, Mistakes

from .conftest import (
    ANSWERS,
    CLAMP,
    CLAMP_ANSWERS,
    CLAMP_EXCUSES,
    HEADER,
    LESSON,
    SmallCourse,
    messages,
)

ONCE = pytest.mark.usefixtures("once")
GOOD_ANSWERS = CLAMP_ANSWERS + CLAMP_EXCUSES
# Both borders' checks are gone, and so is what they caught.
WEAK = re.sub(r"got = clamp\((-5|25).*\n.*\n", "assert clamp\n", CLAMP)


def line_of(lesson: str, text: str) -> int:
    return (HEADER + lesson).splitlines().index(text) + 1


def run(course: SmallCourse, monkeypatch: pytest.MonkeyPatch, *more: str) -> tuple:
    monkeypatch.chdir(course.root)
    result = CliRunner().invoke(main, ["audit", "--workers", "1", *more])
    return result.exit_code, result.output


def test_good_checks_pass_and_every_count_is_written_down(
    course: SmallCourse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    course.write(CLAMP, GOOD_ANSWERS)
    code, output = run(course, monkeypatch, "--json", str(tmp_path / "rows.json"))
    assert code == 0, output
    assert re.search(r"00_small +5/5 +\d+/\d+ +100 .* ok", output)
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert (row["phase"], row["lesson"]) == ("start_here", "00_small")
    assert (row["exercise"], row["title"], row["path"]) == ("clamp", "Clamp", LESSON)
    assert row["line"] == line_of(CLAMP, '```python solution="clamp"')
    assert (row["named"], row["named_good"], row["excused"]) == (5, 5, 2)
    assert row["killed"] == row["mutants"] == row["possible"] - 2 >= 7
    assert row["late"] >= 2  # without the upper border, and mutants of it
    assert (row["faults"], row["survivors"], row["alone"]) == ([], [], None)
    assert 0 < row["seconds"] < 30
    page = (tmp_path / ".roadmap/audit/index.html").read_text()
    assert "start_here/00_small" in page
    assert 'aria-label="mutants that fail"' in page


@ONCE
def test_weak_checks_fail_the_audit_and_the_survivors_are_named(
    course: SmallCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.write(WEAK, CLAMP_ANSWERS)
    code, output = run(course, monkeypatch)
    assert code == 1
    assert "FAILED" in output
    line = line_of(WEAK, "        return high")
    assert f"{LESSON}:{line}: survives: None instead of the result\n" in output
    assert "    -        return high\n    +        return None\n" in output
    where = f"{ANSWERS}:2: clamp: a wrong answer passes"
    assert f"{where} (the upper border is forgotten)" in output
    page = (course.root / ".roadmap/audit/index.html").read_text()
    assert "<ins>+        return None</ins>" in page


@ONCE
def test_the_mistakes_behind_messages_are_written_down_without_the_messages(
    course: SmallCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.write(CLAMP, GOOD_ANSWERS)
    path = course.root / "course" / MISTAKES_FILE
    path.write_text(Mistakes({"gone": {"of an earlier lesson": ("0" * 8,)}}).to_json())

    _, output = run(course, monkeypatch)

    assert "course/start_here/mistakes.json: renewed" in output
    text = path.read_text()
    known = Mistakes.from_json(text)
    assert known.names("clamp") == {"the upper border is forgotten", "prints"}
    assert known.names("gone") == set()
    late = "clamp with 31 beyond 30 returned 31; the upper border holds too"
    assert known.why("clamp", "test-clamp", late) == "the upper border is forgotten"
    assert "holds too" not in text
    build(course.root)
    assert (course.root / "release" / MISTAKES_FILE).read_text() == text
    assert "renewed" not in run(course, monkeypatch)[1]


@ONCE
def test_a_broken_file_of_mistakes_is_not_written_over(
    course: SmallCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.write(CLAMP, GOOD_ANSWERS)
    path = course.root / "course" / MISTAKES_FILE
    path.write_text("broken")

    code, output = run(course, monkeypatch)

    assert code == 1
    assert "mistakes.json: " in output
    assert "delete it and audit again" in output
    assert path.read_text() == "broken"


@ONCE
def test_a_broken_reference_and_what_follows_from_it_are_caught(
    course: SmallCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = CLAMP.replace("    if number < low:", "    if number > low:")
    course.write(broken, GOOD_ANSWERS)
    code, output = run(course, monkeypatch)
    assert code == 1
    line = line_of(broken, '```python solution="clamp"')
    assert f"{LESSON}:{line}: clamp: the reference answer fails: clamp(-5" in output


@ONCE
def test_named_answers_are_held_to_what_their_author_says(course: SmallCourse) -> None:
    answers = """
```python answer="clamp" verdict="wrong" why="none: it is right"
def clamp(number, low, high):
    return max(low, min(number, high))
```

```python answer="clamp" verdict="wrong" why="returns None by pass"
def clamp(number, low, high):
    pass
```

```python answer="clamp" verdict="wrong" why="returns None by return"
def clamp(number, low, high):
    return
```

```python answer="clamp" verdict="wrong" why="a short message"
def clamp(number, low, high):
    raise ValueError("no")
```

```python answer="clamp" verdict="right" why="it is not: always the lower border"
def clamp(number, low, high):
    return low
```
"""
    course.write(CLAMP, answers)
    exercise = course.audit_one()
    said = {
        fault.line: fault.message for fault in exercise.faults if fault.path == ANSWERS
    }
    assert said[2] == "clamp: a wrong answer passes (none: it is right)"
    assert 7 not in said
    assert "its messages are those of the wrong answer in line 7" in said[12]
    assert said[17] == "clamp: the message teaches nothing: 'ValueError: no'"
    assert said[22].startswith("clamp: a right answer fails (it is not: always")
    assert (exercise.named, exercise.named_good) == (7, 3)


@ONCE
def test_two_ways_of_one_mistake_may_get_the_same_messages(course: SmallCourse) -> None:
    way = """
```python answer="clamp" verdict="wrong" why="{}"
def clamp(number, low, high):
    pass
```
"""
    answers = GOOD_ANSWERS.replace('why="prints"', 'why="returns None: prints"')
    course.write(CLAMP, answers + way.format("returns None: by pass"))
    assert messages(course.audit_one()) == []
    course.write(CLAMP, answers + way.format("by pass, it returns None"))
    (message,) = messages(course.audit_one())
    assert message.startswith(
        "clamp: its messages are those of the wrong answer in line 7"
    )


@ONCE
def test_an_exercise_needs_answers_a_failing_release_and_hidden_tests_that_matter(
    course: SmallCourse,
) -> None:
    lesson = '''
### Exercise: A number

```python solution="number"
number = 2
### BEGIN SOLUTION
number = 1 + 1
### END SOLUTION
```

```python test="number" points=1
"""The number."""
assert number == 2, f"number is {number!r}; expected 2, the number that comes after 1"
### BEGIN HIDDEN TESTS
assert number < 100, "number is to be a small one, and it is a hundred or even more"
### END HIDDEN TESTS
```
'''
    same = "number = 2\nnumber = 1 + 1  # the reference\n"
    answers = f'```python answer="number" verdict="right" why="same"\n{same}```\n'
    course.write(lesson, answers)
    exercise = course.audit_one()
    (release, *others) = messages(exercise)
    assert release == "number: the untouched release passes"
    assert others[:2] == [
        "number: give 2 wrong answers or more",
        "number: give a right answer that is not the reference",
    ]
    assert others[2].startswith("number: the hidden tests add nothing")
    assert exercise.late == 0


@pytest.mark.parametrize(
    ("expression", "setting"),
    [
        ("hash('roadmap')", "PYTHONHASHSEED="),
        ("__import__('time').localtime(0).tm_hour", "TZ="),
        ("__import__('os').environ['LC_ALL']", "LC_ALL="),
    ],
    ids=["hash seed", "time zone", "locale"],
)
def test_a_check_that_the_environment_decides_is_flaky(
    course: SmallCourse, expression: str, setting: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"print(repr({expression}))"],
        env={**os.environ, **ENVIRONMENTS[0]},
        capture_output=True,
        text=True,
        check=True,
    )
    condition = f"assert got == 7 and {expression} == {done.stdout.strip()},"
    course.write(CLAMP.replace("assert got == 7,", condition), GOOD_ANSWERS)
    lesson = course.audit()
    flaky = [fault.message for fault in lesson.faults]
    assert len(flaky) >= 2  # the reference and the right answer
    assert all("flaky: test-clamp-inside judges it differently" in m for m in flaky)
    assert all(setting in message for message in flaky)
    assert not lesson.passes


def test_a_host_without_a_sandbox_audits_in_ordinary_kernels(
    course: SmallCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roadmap.audit.run.available", lambda: ["no namespaces"])
    outside = "assert got == 7 and __import__('os').getcwd().startswith('/home/'),"
    course.write(CLAMP.replace("assert got == 7,", outside), GOOD_ANSWERS)
    assert "the reference answer fails" in messages(course.audit_one())[0]
    seed = "assert got == 7 and __import__('os').environ['PYTHONHASHSEED'] == '0',"
    course.write(CLAMP.replace("assert got == 7,", seed), GOOD_ANSWERS)
    assert any(
        "PYTHONHASHSEED=1" in message for message in messages(course.audit_one())
    )


@ONCE
def test_an_excuse_without_its_mutant_is_stale(course: SmallCourse) -> None:
    course.write(CLAMP, GOOD_ANSWERS.replace("number <= low", "number <= low + 1"))
    exercise = course.audit_one()
    (fault,) = exercise.faults
    assert fault.message == "clamp: this excuse fits no surviving mutant; take it out"
    text = (course.root / ANSWERS).read_text().splitlines()
    assert 'verdict="equivalent"' in text[fault.line - 1]
    assert [one.operator for one in exercise.survivors] == ["comparison"]


@ONCE
def test_only_what_changed_is_run_again(
    course: SmallCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    real = kernels.LessonRunner.run

    def spy(self, chosen, **options):  # type: ignore[no-untyped-def]
        ran.append([exercise.id for exercise in chosen])
        return real(self, chosen, **options)

    monkeypatch.setattr(kernels.LessonRunner, "run", spy)
    second = CLAMP.replace("clamp", "limit"), GOOD_ANSWERS.replace("clamp", "limit")
    course.write(CLAMP + second[0], GOOD_ANSWERS + second[1])
    before = course.audit()
    assert (before.passes, ran) == (True, [["clamp", "limit"]])
    assert course.audit() == before
    prose = "\nMore prose, which moves every line.\n"
    course.write(prose + CLAMP + second[0], GOOD_ANSWERS + second[1])
    moved = course.audit()
    assert [e.line for e in moved.exercises] == [e.line + 2 for e in before.exercises]
    assert len(ran) == 1
    more = second[1].replace("print(", "print('no', ")
    course.write(prose + CLAMP + second[0], GOOD_ANSWERS + more)
    assert course.audit().passes
    assert ran[1:] == [["limit"]]


@ONCE
def test_an_endless_mutant_is_stopped_and_a_dead_one_costs_nothing_else(
    course: SmallCourse,
) -> None:
    lesson = '''
### Exercise: Count

```python solution="count"
def count(stop):
    """Return the numbers below stop."""
    ### BEGIN SOLUTION
    numbers = []
    while len(numbers) < stop:
        numbers.append(len(numbers))
    return numbers
    ### END SOLUTION
```

```python test="count" points=1
"""All numbers."""
got = count(3)
assert got == [0, 1, 2], f"count(3) returned {got!r}; expected [0, 1, 2], all below 3"
### BEGIN HIDDEN TESTS
got = count(0)
assert got == [], f"count(0) returned {got!r}; there is no number below it to be found"
### END HIDDEN TESTS
```
'''
    answers = """
```python answer="count" verdict="wrong" why="ends Python"
def count(stop):
    import os
    os._exit(3)
```

```python answer="count" verdict="wrong" why="one too few, none too few"
def count(stop):
    return [*range(max(1, stop))]
```

```python answer="count" verdict="right" why="range"
def count(stop):
    return [*range(stop)]
```
"""
    course.write(lesson, answers)
    exercise = course.audit_one()
    assert messages(exercise) == []
    assert exercise.killed == exercise.mutants
    assert exercise.mutants >= 5  # without its append the loop has no end


@ONCE
def test_answers_leave_no_files_to_the_next_one(course: SmallCourse) -> None:
    lesson = '''
### Exercise: A file

```python
from pathlib import Path

Path("there.txt").write_text("as it was")
```

```python solution="file"
### BEGIN SOLUTION
%%writefile made.txt
a line
### END SOLUTION
```

```python test="file" points=1
"""The file."""
assert Path("there.txt").read_text() == "as it was", "there.txt is not as the lesson made it"
assert Path("made.txt").exists(), "there is no file made.txt; the cell's first line makes it"
### BEGIN HIDDEN TESTS
text = Path("made.txt").read_text()
assert "a line" in text, f"made.txt holds {text!r}; expected the one line that was asked for"
### END HIDDEN TESTS
```
'''.replace(
        "### BEGIN SOLUTION\n%%writefile made.txt",
        "%%writefile made.txt\n### BEGIN SOLUTION",
    )
    answers = """
```python answer="file" verdict="wrong" why="spoils another file"
from pathlib import Path
Path("there.txt").write_text("spoilt")
```

```python answer="file" verdict="wrong" why="makes nothing"
pass
```

```python answer="file" verdict="wrong" why="makes another line"
open("made.txt", "w").write("another")
```

```python answer="file" verdict="right" why="in Python"
Path("made.txt").write_text("a line")
```
"""
    course.write(lesson, answers)
    exercise = course.audit_one()
    assert messages(exercise) == []
    assert (exercise.possible, exercise.mutants) == (0, 0)
    assert course.audit().passes


@ONCE
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "import threading\n\n"
            "threading.Thread(target=threading.Event().wait, daemon=True).start()",
            "the lesson has started a thread",
        ),
        (
            "import subprocess\n\n"
            "program = subprocess.Popen(['sh', '-c', 'sleep 30 &'])\nprogram.wait()",
            "the lesson has started a process (",  # `sh` until it has become `sleep`
        ),
        (
            "import asyncio\n\n"
            "server = await asyncio.start_server(print, '127.0.0.1', 0)",
            "the lesson has open connections in its event loop",
        ),
    ],
    ids=["thread", "process", "connection"],
)
def test_a_lesson_that_cannot_be_forked_is_judged_alike_in_kernels_of_its_own(
    course: SmallCourse, code: str, reason: str
) -> None:
    forked, alone = course, SmallCourse(course.root / "alone")
    forked.write(CLAMP, GOOD_ANSWERS)
    alone.write(f"\n```python\n{code}\n```\n{CLAMP}", GOOD_ANSWERS)
    here, there = forked.audit_one(), alone.audit_one()
    assert (there.alone or "").startswith(reason)
    counts = ("named", "named_good", "mutants", "killed", "excused", "late", "faults")
    assert [getattr(there, name) for name in counts] == [
        getattr(here, name) for name in counts
    ]


@ONCE
def test_a_lesson_whose_kernel_dies_is_a_fault_not_a_pass(course: SmallCourse) -> None:
    course.write("\n```python\nimport os\nos._exit(1)\n```\n" + CLAMP, GOOD_ANSWERS)
    lesson = course.audit()
    (fault,) = lesson.faults
    assert fault.message.startswith(
        "clamp: could not be run: the kernel died in code cell"
    )
    assert not lesson.passes


@ONCE
def test_a_right_answer_that_grading_takes_for_tampering_is_a_fault(
    course: SmallCourse,
) -> None:
    odd = """
```python answer="clamp" verdict="right" why="a number that equals what it is asked about"
class Any(int):
    def __eq__(self, other):
        return True


def clamp(number, low, high):
    return Any(max(low, min(number, high)))
```
"""
    course.write(CLAMP, GOOD_ANSWERS + odd)
    (message,) = messages(course.audit_one())
    assert message.startswith(
        "clamp: a right answer passes the negative twin of test-clamp"
    )


def test_thresholds_come_from_pyproject_and_a_wrong_one_is_one_line(
    course: SmallCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.write(CLAMP, GOOD_ANSWERS)
    monkeypatch.chdir(course.root)
    Path("pyproject.toml").write_text("[tool.roadmap.audit]\nmutant = 50\n")
    result = CliRunner().invoke(main, ["audit"])
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "[tool.roadmap.audit] takes named-answers and mutants" in result.stderr


@ONCE
def test_the_threshold_decides_if_survivors_fail_a_lesson(course: SmallCourse) -> None:
    course.write(CLAMP, CLAMP_ANSWERS)  # two survivors, which nobody excuses
    for least, passes in ((50, True), (99, False)):
        settings = f"[tool.roadmap.audit]\nmutants = {least}\n"
        (course.root / "pyproject.toml").write_text(settings)
        lesson = course.audit()
        assert (len(lesson.survivors), lesson.faults) == (2, [])
        assert 50 < lesson.mutant_rate < 99
        assert lesson.passes is passes


def test_an_unknown_lesson_is_a_usage_error(
    course: SmallCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.write(CLAMP, GOOD_ANSWERS)
    monkeypatch.chdir(course.root)
    assert CliRunner().invoke(main, ["audit", "99_none"]).exit_code == 2
