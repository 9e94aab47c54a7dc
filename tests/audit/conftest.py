"""Small courses whose checks are good, weak or broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadmap.audit import LessonAudit, audit
from roadmap.audit.verdicts import ExerciseAudit
from roadmap.lessons.build import build
from roadmap.lessons.index import Course

HEADER = """\
---
jupyter: {kernelspec: {display_name: Python 3, language: python, name: python3}}
---
# A lesson

```python
%load_ext roadmap
```
"""
LESSON = "course/start_here/00_small.md"
ANSWERS = "course/start_here/answers/00_small.md"

# An exercise as good as they come: the answer and its checks, then answers to it.
CLAMP = '''
### Exercise: Clamp

```python solution="clamp"
def clamp(number, low, high):
    """Return the number, or the border that it lies beyond."""
    ### BEGIN SOLUTION
    if number < low:
        return low
    if number > high:
        return high
    return number
    ### END SOLUTION
```

```python test="clamp" points=2
"""A number outside the borders."""
got = clamp(-5, 0, 10)
assert got == 0, f"clamp(-5, 0, 10) returned {got!r}; expected 0, the lower border"
### BEGIN HIDDEN TESTS
got = clamp(25, 3, 20)
assert got == 20, f"clamp with 25 beyond 20 returned {got!r}; the upper border holds too"
### END HIDDEN TESTS
```

```python test="clamp-inside" points=1
"""A number between the borders."""
got = clamp(5, 0, 10)
assert got == 5, f"clamp(5, 0, 10) returned {got!r}; expected 5, which is between them"
### BEGIN HIDDEN TESTS
got = clamp(7, 3, 20)
assert got == 7, f"clamp with 7 between 3 and 20 returned {got!r}; it was to stay itself"
### END HIDDEN TESTS
```
'''
CLAMP_ANSWERS = """
```python answer="clamp" verdict="wrong" why="the upper border is forgotten"
def clamp(number, low, high):
    return max(number, low)
```

```python answer="clamp" verdict="wrong" why="prints"
def clamp(number, low, high):
    print(max(low, min(number, high)))
```

```python answer="clamp" verdict="right" why="with min and max"
def clamp(number, low, high):
    return max(low, min(number, high))
```
"""
# On the border itself both branches give the same.
CLAMP_EXCUSES = """
```python answer="clamp" verdict="equivalent" why="a number on the border is the border"
def clamp(number, low, high):
    \"\"\"Return the number, or the border that it lies beyond.\"\"\"
    if number <= low:
        return low
    if number > high:
        return high
    return number
```

```python answer="clamp" verdict="equivalent" why="a number on the border is the border"
def clamp(number, low, high):
    \"\"\"Return the number, or the border that it lies beyond.\"\"\"
    if number < low:
        return low
    if number >= high:
        return high
    return number
```
"""


class SmallCourse:
    """A course of one lesson in a temporary folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, lesson: str, answers: str = "") -> None:
        """Write the lesson below its header, and its answers file; build."""
        for path, text in ((LESSON, HEADER + lesson), (ANSWERS, answers)):
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)
        (self.root / "nbgrader_config.py").write_text("c = get_config()\n")
        build(self.root)

    def audit(self) -> LessonAudit:
        (lesson,) = audit(self.root, Course.find(self.root).select([]), workers=1)
        return lesson

    def audit_one(self) -> ExerciseAudit:
        (exercise,) = self.audit().exercises
        return exercise


@pytest.fixture
def course(tmp_path: Path) -> SmallCourse:
    return SmallCourse(tmp_path)


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One environment instead of five, for tests that are not about repeats."""
    from roadmap.audit import run

    monkeypatch.setattr(run, "ENVIRONMENTS", run.ENVIRONMENTS[:1])


def messages(exercise: ExerciseAudit) -> list[str]:
    return [fault.message for fault in exercise.faults]
