"""Small courses made of text, for tests of the build."""

from __future__ import annotations

from pathlib import Path

import pytest

HEADER = """\
---
jupyter: {kernelspec: {display_name: Python 3, language: python, name: python3}}
---
"""
SOLUTION = """\
```python solution="add"
def add(a, b):
    ### BEGIN SOLUTION
    return a + b
    ### END SOLUTION
```
"""
TEST = """\
```python test="add" points=2
assert add(1, 2) == 3, "add(1, 2) is 3"
### BEGIN HIDDEN TESTS
assert add(5, 5) == 10, "add with other numbers"
### END HIDDEN TESTS
```
"""
TITLE = "# Adding\n\n**Time:** about 20 minutes.\n\n### Exercise: Add two\n"
LESSON = f"{HEADER}{TITLE}\n{SOLUTION}\n{TEST}"


class CourseFolder:
    """A course in a temporary folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "course").mkdir()

    def write(self, text: str, path: str = "course/phase1_basics/01_adding.md") -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())
        return target

    def outputs(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for name in ("source", "release")
            for path in sorted((self.root / name).rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def course(tmp_path: Path) -> CourseFolder:
    root = tmp_path / "root"
    root.mkdir()
    return CourseFolder(root)
