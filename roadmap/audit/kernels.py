"""Run a lesson's variants: in forks of one kernel, or each in a kernel of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from nbformat import NotebookNode, v4

from roadmap.audit.plan import MUTANTS_ALONE, ExercisePlan, Kind, LessonPlan
from roadmap.grading.kernel import CellRun, execute
from roadmap.grading.kernels import ExecuteSettings
from roadmap.grading.verdict import judge

FORKS = "__import__('importlib').import_module('roadmap.audit.forks')"
MARK = "\x1eroadmap-audit "  # as in forks.py, which only a kernel can import
# Seconds for one variant beyond ten times what the reference takes: by the clock, and of
# the processor, which does not depend on what else the machine does. A named answer is
# its author's, and may take more time than a mutant.
WALL = 20.0
CPU = 0.5
CPU_NAMED = 5.0
NAMED: tuple[Kind, ...] = ("reference", "release", "right", "wrong")
_LINE = re.compile(r"Cell In\[\d+\], line (\d+)")


@dataclass(frozen=True)
class Result:
    """What became of one variant.

    ``messages`` are of the checks that failed, by id; ``late`` tells that in each of
    them the visible tests passed and a hidden one failed; ``forged`` are checks whose
    twin passed. ``seconds`` by the clock.
    """

    messages: Mapping[str, str]
    late: bool = False
    forged: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class ExerciseRun:
    """The results of an exercise in one environment, by the variant's number.

    ``alone`` says why forks would not do, None if they did; ``failure`` why there are
    no results.
    """

    results: Mapping[int, Result] = field(default_factory=dict)
    alone: str | None = None
    failure: str | None = None


@dataclass(frozen=True)
class _End:
    """How one cell ended, what it showed, and the line of it that raised."""

    run: CellRun
    value: str | None = None
    line: int | None = None


class LessonRunner:
    """Runs one lesson's notebook in the way that grading does."""

    def __init__(
        self, root: Path, lesson: LessonPlan, settings: ExecuteSettings
    ) -> None:
        self._files = root / "release" / lesson.phase
        self._lesson = lesson
        self._settings = settings

    def run(
        self,
        chosen: Sequence[ExercisePlan],
        *,
        repeat: bool,
        on_exercise: Callable[[], None] = lambda: None,
    ) -> dict[str, ExerciseRun]:
        """Try all variants of the ``chosen`` exercises; with ``repeat`` the named answers only.

        ``on_exercise`` hears of each exercise as its forks are done.
        """
        asked = {
            exercise.id: [
                number
                for number, variant in enumerate(exercise.variants)
                if variant.kind in NAMED or not repeat
            ]
            for exercise in chosen
        }
        lesson = self._whole_lesson(chosen, asked, on_exercise)
        return {
            exercise.id: self._exercise_run(exercise, asked, lesson, repeat)
            for exercise in chosen
        }

    def _exercise_run(
        self,
        exercise: ExercisePlan,
        asked: Mapping[str, list[int]],
        lesson: _Executed,
        repeat: bool,
    ) -> ExerciseRun:
        """What the forks said; else what kernels of its own say."""
        numbers = asked[exercise.id]
        ordinary = _result(exercise, 0, lesson.ends)
        lines = lesson.lines(_fork_id(exercise))
        reason = None if hasattr(os, "fork") else "this system has no fork"
        if lines and "unforkable" in lines[0]:
            reason = lines[0]["unforkable"]
        elif lines and len(lines) == len(numbers):
            results = {
                numbers[line["number"]]: _forked_result(
                    exercise, numbers[line["number"]], line
                )
                for line in lines
            }
            if ordinary.messages or not results[0].messages:
                return ExerciseRun(results)
            reason = "the reference passes in the notebook, and fails in a fork of it"
        if reason is None:
            return ExerciseRun(failure=lesson.failure(_fork_id(exercise)))
        if repeat:  # the notebook's own run is the repeat
            return ExerciseRun({0: ordinary}, reason)
        few = _few(exercise, numbers)
        results = {number: self._alone(exercise, number) for number in few}
        return ExerciseRun(results, reason)

    def _whole_lesson(
        self,
        chosen: Sequence[ExercisePlan],
        asked: Mapping[str, list[int]],
        on_exercise: Callable[[], None],
    ) -> _Executed:
        """The lesson once with the reference answers, forking before each chosen one."""
        places = {exercise.first: exercise for exercise in chosen}
        end = max(exercise.first + len(exercise.cells) for exercise in chosen)
        cells = []
        forking = hasattr(os, "fork")
        if forking:
            cells.append(v4.new_code_cell(f"{FORKS}.begin()", id="audit"))
        for place, (id, source) in enumerate(self._lesson.cells[:end]):
            if forking and (exercise := places.get(place)):
                job = f"{FORKS}.run({_job(exercise, asked[id])!r})"
                cells.append(v4.new_code_cell(job, id=_fork_id(exercise)))
            cells.append(v4.new_code_cell(source, id=id))
        forks = {_fork_id(exercise) for exercise in chosen}
        return self._execute(cells, lambda id: on_exercise() if id in forks else None)

    def _alone(self, exercise: ExercisePlan, number: int) -> Result:
        """One variant, in a kernel that has run the lesson so far."""
        sources = exercise.variants[number].sources
        stretch = [(id, sources.get(id, source)) for id, source in exercise.cells]
        before = self._lesson.cells[: exercise.first]
        cells = [v4.new_code_cell(source, id=id) for id, source in [*before, *stretch]]
        start = monotonic()
        ends = self._execute(cells).ends
        return _result(exercise, number, ends, seconds=monotonic() - start)

    def _execute(
        self,
        cells: list[NotebookNode],
        on_cell: Callable[[str], None] = lambda id: None,
    ) -> _Executed:
        """Run cells in a new kernel, in a fresh copy of the phase's folder."""
        ended: list[tuple[NotebookNode, CellRun]] = []

        def hear(index: int, run: CellRun) -> None:
            ended.append((cells[index], run))
            on_cell(cells[index].id)

        kernelspec = {"name": "python3", "display_name": "Python 3"}
        notebook = v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec})
        with tempfile.TemporaryDirectory(
            prefix="roadmap-", ignore_cleanup_errors=True
        ) as scratch:
            cwd, runtime = Path(scratch, "w", self._lesson.phase), Path(scratch, "r")
            shutil.copytree(self._files, cwd, ignore=shutil.ignore_patterns("*.ipynb"))
            runtime.mkdir()
            outcome = execute(notebook, cwd, runtime, self._settings, hear)
        return _Executed(ended, outcome.message)


class _Executed:
    """Cells that were run, with their outputs."""

    def __init__(
        self, ended: list[tuple[NotebookNode, CellRun]], message: str | None
    ) -> None:
        self._cells = {cell.id: (cell, run) for cell, run in ended}
        self._message = message

    @property
    def ends(self) -> dict[str, _End]:
        """How each cell ended, by id."""
        return {
            id: _End(run, _value(cell), _traced_line(cell))
            for id, (cell, run) in self._cells.items()
        }

    def lines(self, id: str) -> list[dict[str, Any]]:
        """What the forks told in a cell."""
        if id not in self._cells:
            return []
        cell, _ = self._cells[id]
        said = "".join(
            output.text for output in cell.outputs if output.output_type == "stream"
        )
        return [json.loads(part.split("\n")[0]) for part in said.split(MARK)[1:]]

    def failure(self, id: str) -> str:
        """Why a cell that forks did not say enough, in one line."""
        if id in self._cells and self._cells[id][1].state == "error":
            run = self._cells[id][1]
            return f"{run.ename}: {run.evalue}"
        return self._message or "the notebook ended before its forks did"


def _few(exercise: ExercisePlan, numbers: Sequence[int]) -> Iterator[int]:
    """Fewer mutants where each takes a kernel's start."""
    mutants = [n for n in numbers if exercise.variants[n].kind == "mutant"]
    kept = set(mutants[:: max(1, -(-len(mutants) // MUTANTS_ALONE))])
    return (n for n in numbers if n in kept or n not in set(mutants))


def _job(exercise: ExercisePlan, numbers: Collection[int]) -> str:
    variants = [
        {
            "sources": exercise.variants[number].sources,
            "wall": WALL,
            "cpu": CPU if exercise.variants[number].kind == "mutant" else CPU_NAMED,
        }
        for number in numbers
    ]
    cells = [{"id": id, "source": source} for id, source in exercise.cells]
    return json.dumps({"cells": cells, "variants": variants})


def _fork_id(exercise: ExercisePlan) -> str:
    return f"audit-{exercise.first}"


def _forked_result(
    exercise: ExercisePlan, number: int, line: Mapping[str, Any]
) -> Result:
    ends = {
        run["id"]: _End(
            CellRun(run["state"], run.get("ename", ""), run.get("evalue", "")),
            run.get("value"),
            run.get("line"),
        )
        for run in line["runs"]
    }
    state = "timeout" if line["stopped"] else "lost"
    missing = _End(CellRun("timeout") if state == "timeout" else CellRun("lost"))
    return _result(exercise, number, ends, missing, line["seconds"])


def _result(
    exercise: ExercisePlan,
    number: int,
    ends: Mapping[str, _End],
    missing: _End = _End(CellRun("lost")),  # noqa: B008  # frozen
    seconds: float = 0.0,
) -> Result:
    """Judge the checks as grading does; of a twin, whether it passed."""
    by_check = {id: ends.get(id, missing) for id in exercise.points}
    if exercise.variants[number].kind == "twin":
        forged = [
            id
            for id, end in by_check.items()
            if id in exercise.variants[number].sources
            and end.run.state == "ok"
            and end.value != "0"
        ]
        return Result({}, forged=tuple(forged), seconds=seconds)
    messages = {}
    for id, end in by_check.items():
        _, message = judge(_cell(end), exercise.points[id], end.run)
        if message is not None:
            messages[id] = message
    late = bool(messages) and all(
        by_check[id].line in exercise.hidden[id] for id in messages
    )
    return Result(messages, late, (), seconds)


def _cell(end: _End) -> NotebookNode:
    """A cell that has shown what the real one did, for the judge."""
    outputs = []
    if end.value is not None:
        data = {"text/plain": end.value}
        outputs.append(v4.new_output("execute_result", data=data))
    return v4.new_code_cell(outputs=outputs)


def _value(cell: NotebookNode) -> str | None:
    for output in cell.outputs:
        if output.output_type == "execute_result":
            return str(output.data.get("text/plain"))
    return None


def _traced_line(cell: NotebookNode) -> int | None:
    for output in cell.outputs:
        if output.output_type == "error":
            found = _LINE.search(
                re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output.traceback))
            )
            return int(found[1]) if found else None
    return None
