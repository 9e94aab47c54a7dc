"""papermill over source/: what fails is named, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook, writes

from roadmap.lessons.run import run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source/phase1_basics"
    folder.mkdir(parents=True)
    (folder / "data.txt").write_text("shipped with the lesson")
    cells = {
        "01_clean": ["open('made.txt', 'w').write(open('data.txt').read())"],
        "02_failing": ["x = 1", "raise ValueError('two\\nlines')"],
        "03_empty": [],
    }
    kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    for name, sources in cells.items():
        notebook = new_notebook(
            cells=[new_code_cell(source) for source in sources],
            metadata={"kernelspec": kernelspec},
        )
        (folder / f"{name}.ipynb").write_text(writes(notebook))
    return tmp_path


def test_each_notebook_is_run_in_a_copy_and_failures_name_their_cell(
    root: Path,
) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    names = ["02_failing", "01_clean", "03_empty", "04_not_there"]
    heard = []
    results = run(
        root,
        [("phase1_basics", name) for name in names],
        workers=2,
        on_result=lambda result: heard.append(result.lesson),
    )
    assert [result.lesson for result in results] == names
    assert sorted(heard) == sorted(names)
    failing, clean, empty, missing = results
    assert failing.error == "cell 2: ValueError: two"
    assert (clean.error, empty.error) == (None, None)
    assert missing.error is not None
    assert "04_not_there" in missing.error
    assert before == {
        path: path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
