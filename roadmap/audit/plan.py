"""What is to be run of a lesson: for each exercise its cells and all answers to try."""

from __future__ import annotations

import hashlib
import json
import platform
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nbformat
from nbformat import NotebookNode

from roadmap.audit.mutants import Mutant, mutants, sample
from roadmap.errors import RoadmapError
from roadmap.grading.proof.twin import twins
from roadmap.lessons.answers import Answer, Excuse, read_answers, read_excuses
from roadmap.lessons.fences import find_fences
from roadmap.lessons.files import COURSE, digest
from roadmap.lessons.index import Exercise, Lesson

# Mutants of one exercise that are tried, and where each needs a kernel of its own.
MUTANTS = 60
MUTANTS_ALONE = 10

Kind = Literal["reference", "release", "right", "wrong", "twin", "mutant"]
_HIDDEN = re.compile(r"(BEGIN|END) HIDDEN TESTS")


@dataclass(frozen=True)
class Variant:
    """One answer to try: the sources of the cells that differ from the reference's run.

    ``path`` and ``line`` say where it is written, or for a mutant what it changes;
    ``note`` is the author's ``why``, a mutant's operator, or of a twin the number of
    the variant whose passes it is to prove.
    """

    kind: Kind
    sources: Mapping[str, str]
    path: str
    line: int
    note: str = ""


@dataclass(frozen=True)
class ExercisePlan:
    """One exercise: where it is, the code cells from its answer to its last check.

    ``cells`` are (id, source) pairs, ``first`` the place of the answer among the
    lesson's code cells; ``points`` and ``hidden`` (lines) are by check. ``possible``
    counts all mutants there are. ``key`` changes when anything does that could change
    what becomes of the variants.
    """

    id: str
    title: str
    path: str
    line: int
    first: int
    cells: tuple[tuple[str, str], ...]
    points: Mapping[str, float]
    hidden: Mapping[str, frozenset[int]]
    variants: tuple[Variant, ...]
    possible: int
    excuses: tuple[Excuse, ...]
    key: str

    @property
    def reference(self) -> str:
        """The reference answer's cell."""
        return self.cells[0][1]


@dataclass(frozen=True)
class LessonPlan:
    """A lesson's code cells, (id, source), and its exercises."""

    phase: str
    name: str
    title: str
    cells: tuple[tuple[str, str], ...]
    exercises: tuple[ExercisePlan, ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.phase, self.name


def plan(root: Path, phase: str, lesson: Lesson, engine: str) -> LessonPlan:
    """Read what the build has made of a lesson, and its answers file.

    ``engine`` stands for the program that runs it, in the exercises' keys.

    Raises:
        LessonError: the answers file is wrong.
        RoadmapError: the lesson is not built.
    """
    source, release = (
        _code_cells(root / kind / phase / f"{lesson.name}.ipynb")
        for kind in ("source", "release")
    )
    path = f"{COURSE}/{phase}/{lesson.name}.md"
    lines = _answer_lines((root / path).read_text(encoding="utf-8"))
    answers = read_answers(root, phase, lesson.name)
    excuses = read_excuses(root, phase, lesson.name)
    cells = tuple((cell.id, cell.source) for cell in source)
    released = {cell.id: cell.source for cell in release}
    data = _data(root / "release" / phase)
    exercises = []
    for exercise in lesson.exercises:
        first, last = _stretch(cells, exercise)
        sources = dict(cells)
        checks = [check.id for check in exercise.checks]
        where = (path, lines[exercise.id])
        named = _named(exercise.id, released, answers, *where)
        pairs = _twins(named, {id: sources[id] for id in checks})
        every = mutants(sources[exercise.id])
        variants = [*named, *pairs, *_mutants(exercise.id, every, *where)]
        exercises.append(
            ExercisePlan(
                exercise.id,
                exercise.title,
                *where,
                first,
                cells[first : last + 1],
                {check.id: check.points for check in exercise.checks},
                {id: _hidden_lines(sources[id]) for id in checks},
                tuple(variants),
                len(every),
                tuple(e for e in excuses if e.exercise == exercise.id),
                _key(engine, data, cells[: last + 1], variants),
            )
        )
    return LessonPlan(phase, lesson.name, lesson.title, cells, tuple(exercises))


def _named(
    exercise: str,
    released: Mapping[str, str],
    answers: Iterable[Answer],
    path: str,
    line: int,
) -> list[Variant]:
    """The reference first, the untouched release, and what the author has written."""
    return [
        Variant("reference", {}, path, line),
        Variant("release", {exercise: released[exercise]}, path, line),
        *(
            Variant(
                "right" if answer.right else "wrong",
                {exercise: answer.source},
                answer.path,
                answer.line,
                answer.why,
            )
            for answer in answers
            if answer.exercise == exercise
        ),
    ]


def _mutants(
    exercise: str, every: list[Mutant], path: str, line: int
) -> Iterator[Variant]:
    """As many as are tried; ``line`` is that of the answer's fence."""
    for mutant in sample(every, MUTANTS):
        sources = {exercise: mutant.source}
        yield Variant("mutant", sources, path, line + mutant.line, mutant.operator)


def engine_digest(root: Path) -> str:
    """What runs and judges the answers: our own code for it, Python, the lock."""
    package = Path(__file__).parents[1]
    paths = [
        path
        for room in ("grading", "practice")
        for path in package.glob(f"{room}/**/*.py")
    ]
    paths += [package / "audit" / name for name in ("forks.py", "kernels.py")]
    files = {path.relative_to(package).as_posix(): path.read_bytes() for path in paths}
    files["python"] = platform.python_version().encode()
    lock = root / "requirements.lock"
    if lock.is_file():
        files["lock"] = lock.read_bytes()
    return digest(files)


def _code_cells(path: Path) -> list[NotebookNode]:
    try:
        notebook = nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise RoadmapError(f"{path}: not built; run `roadmap build` first") from error
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _answer_lines(text: str) -> dict[str, int]:
    """The line of each answer's fence in the lesson's text."""
    found = (
        (re.search(r'\bsolution="([^"]*)"', fence.info), fence.line)
        for fence in find_fences(text)
    )
    return {match[1]: line for match, line in found if match}


def _stretch(cells: Iterable[tuple[str, str]], exercise: Exercise) -> tuple[int, int]:
    """The places of the answer cell and of the last check."""
    places = {id: place for place, (id, _) in enumerate(cells)}
    return places[exercise.id], max(places[check.id] for check in exercise.checks)


def _twins(variants: Iterable[Variant], checks: Mapping[str, str]) -> list[Variant]:
    """The checks' negative twins for each answer that is right: an honest one fails them.

    A right answer that passes them would be reported as tampering by the grader.
    """
    chance = random.Random("".join(checks.values()))  # noqa: S311  # the same each time
    made = {id: twins(source, chance) for id, source in checks.items()}
    turned = {id: pair.negative for id, pair in made.items() if pair is not None}
    if not turned:
        return []
    return [
        Variant(
            "twin",
            {**variant.sources, **turned},
            variant.path,
            variant.line,
            str(number),
        )
        for number, variant in enumerate(variants)
        if variant.kind in ("reference", "right")
    ]


def _hidden_lines(source: str) -> frozenset[int]:
    lines, inside = set(), False
    for number, line in enumerate(source.splitlines(), 1):
        mark = _HIDDEN.search(line)
        if mark:
            inside = mark[1] == "BEGIN"
        elif inside:
            lines.add(number)
    return frozenset(lines)


def _data(folder: Path) -> str:
    """A digest of what lies beside a phase's notebooks."""
    return digest(
        {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix != ".ipynb"
        }
    )


def _key(
    engine: str,
    data: str,
    cells: tuple[tuple[str, str], ...],
    variants: Iterable[Variant],
) -> str:
    """Where a variant is written does not count: prose may move it.

    Nor do twins: they follow from the checks, and their text from the hash seed too.
    """
    parts = [
        engine,
        data,
        cells,
        [(v.kind, v.sources) for v in variants if v.kind != "twin"],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
