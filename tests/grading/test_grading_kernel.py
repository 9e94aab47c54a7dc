"""Cells run in a kernel, within limits; each of these starts one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nbformat import NotebookNode, v4
from tiny_course import notebook

from roadmap.grading.kernel import CellRun, Outcome, execute
from roadmap.grading.kernels import ExecuteSettings
from roadmap.grading.outputs import TRUNCATED

SETTINGS = ExecuteSettings(None, (), 60.0, 20.0, 60.0, 10_000, 2**31)


class Ran:
    """A notebook that was run."""

    def __init__(self, *sources: str, **settings: object) -> None:
        self.nb: NotebookNode = notebook(*[v4.new_code_cell(text) for text in sources])
        self.runs: dict[int, CellRun] = {}
        with tempfile.TemporaryDirectory(prefix="kernel-") as folder:
            self.outcome: Outcome = execute(
                self.nb,
                Path(folder),
                Path(folder),
                replace(SETTINGS, **settings),  # type: ignore[arg-type]
                self.runs.__setitem__,
            )

    @property
    def states(self) -> list[str]:
        return [run.state for run in self.runs.values()]

    def text(self, index: int) -> str:
        return "".join(
            output.get("text", "") for output in self.nb.cells[index].outputs
        )


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    import psutil

    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    after = {
        child.pid
        for child in psutil.Process().children(recursive=True)
        if "ipykernel" in " ".join(child.cmdline())
    }
    assert after <= before


def test_outputs_errors_and_nbgraders_variable_are_seen() -> None:
    ran = Ran(
        "import os; print(os.environ['NBGRADER_EXECUTION'])",
        "1 / 0",
        "",
        "input('name? ')",
        "21 * 2",
    )
    assert ran.outcome == Outcome("graded")
    assert ran.states == ["ok", "error", "ok", "error", "ok"]
    assert ran.text(0) == "autograde\n"
    assert ran.runs[1].ename == "ZeroDivisionError"
    assert ran.runs[3].ename == "StdinNotImplementedError"
    assert ran.nb.cells[4].outputs[0].data["text/plain"] == "42"


def test_silenced_traceback_is_still_an_error() -> None:
    ran = Ran(
        "get_ipython().showtraceback = lambda *a, **k: None", "assert False, 'no'"
    )
    assert ran.runs[1] == CellRun("error", "AssertionError", "no")
    assert [output.output_type for output in ran.nb.cells[1].outputs] == ["error"]


def test_cell_that_overruns_is_interrupted_and_the_next_ones_run() -> None:
    ran = Ran("while True: pass", "print('on')", cell_timeout=1.0)
    assert ran.outcome == Outcome("timeout", "code cell 1 ran too long")
    assert ran.states == ["timeout", "ok"]
    assert ran.nb.cells[0].outputs[-1].ename == "CellTimeoutError"


def test_cell_that_will_not_be_interrupted_ends_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("roadmap.grading.kernel.INTERRUPT_GRACE", 1.0)
    loop = (
        "import time\nwhile True:\n  try: time.sleep(9)\n  except BaseException: pass"
    )
    ran = Ran("1", loop, "print('on')", cell_timeout=1.0)
    assert ran.outcome.status == "timeout"
    assert "would not be interrupted" in str(ran.outcome.message)
    assert ran.states == ["ok", "timeout"]


def test_time_limit_of_the_notebook_counts_all_cells() -> None:
    ran = Ran("import time; time.sleep(1.2)", "1", notebook_timeout=1.0)
    assert ran.outcome.status == "timeout"
    assert ran.states == ["timeout"]


@pytest.mark.parametrize(
    "end", ["import os; os._exit(0)", "import os; os.kill(os.getpid(), 9)"]
)
def test_cells_before_a_death_are_reported(end: str) -> None:
    ran = Ran("1", end, "2")
    assert ran.outcome == Outcome("kernel_died", "the kernel died in code cell 2")
    assert ran.states == ["ok", "lost"]


def test_flood_is_cut_while_it_comes_and_the_verdict_is_kept() -> None:
    ran = Ran(
        "for i in range(200): print('x' * 10_000, flush=True)\nassert False, 'seen'",
        "print('y' * 50)",
        "from IPython.display import display\nfor i in range(500): display(i)\n0.5",
        "raise ValueError('z' * 100_000)",
        output_limit=5_000,
    )
    assert ran.states == ["error", "ok", "ok", "error"]
    assert TRUNCATED in ran.text(0)
    assert len(str(ran.nb.cells[0].outputs)) < 10_000
    assert ran.nb.cells[0].outputs[-1].evalue == "seen"
    assert ran.text(1) == "y" * 50 + "\n"
    assert len(ran.nb.cells[2].outputs) < 30
    assert ran.nb.cells[2].outputs[-1].data["text/plain"] == "0.5"
    assert len(str(ran.nb.cells[3].outputs)) < 10_000


def test_cleared_output_makes_room_for_more() -> None:
    code = (
        "from IPython.display import clear_output\n"
        "for i in range(50): clear_output(); print(i, 'x' * 500)"
    )
    assert Ran(code, output_limit=2_000).text(0).startswith("49 ")


def test_output_widgets_take_what_is_printed_in_them() -> None:
    ran = Ran(
        "from ipywidgets import Output, interact\n"
        "out = Output()\n"
        "with out: print('inside'); out.clear_output(); print('again')\n"
        "print('outside')",
        "interact(lambda n=3: print(n))\n'end'",
        "1 + 1",
    )
    assert ran.outcome == Outcome("graded")
    assert ran.states == ["ok", "ok", "ok"]
    assert ran.text(0) == "outside\n"
    assert ran.nb.cells[1].outputs[-1].data["text/plain"] == "'end'"


def test_kernel_that_is_not_installed_is_named() -> None:
    outcome = Ran("1", kernel_name="no-such-kernel").outcome
    assert outcome == Outcome(
        "error",
        "the kernel did not start: 'no-such-kernel' is not installed here",
    )


def test_environment_of_the_grader_is_left_alone() -> None:
    Ran("1")
    assert "NBGRADER_EXECUTION" not in os.environ


def test_folder_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    runtime = tmp_path / ("long" * 20)
    runtime.mkdir()
    nb = notebook(v4.new_code_cell("1"))
    assert execute(nb, tmp_path, runtime, SETTINGS, lambda *_: None) == Outcome(
        "graded"
    )
