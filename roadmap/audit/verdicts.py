"""What the runs say of an exercise: its faults, and the mutants that nobody caught."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from roadmap.audit.kernels import NAMED, ExerciseRun, Result
from roadmap.audit.mutants import same_code
from roadmap.audit.plan import ExercisePlan, Kind, LessonPlan, Variant
from roadmap.errors import RoadmapError
from roadmap.lessons.mistakes import name_of, tell_apart

PYPROJECT = "pyproject.toml"
WRONG_ANSWERS = 2
# A message of fewer characters than this cannot say what went wrong and why.
TELLING = 30


@dataclass(frozen=True)
class Fault:
    """Something an author has to put right, and where; ``line`` is 1-based."""

    path: str
    line: int
    message: str


@dataclass(frozen=True)
class Survivor:
    """A mutant that passes every check; ``source`` is the whole answer cell."""

    path: str
    line: int
    operator: str
    diff: str
    source: str


@dataclass(frozen=True)
class ExerciseAudit:
    """The verdict on one exercise.

    ``named`` answers (reference, untouched release, right, wrong) were tried and
    ``named_good`` of them have no fault. ``killed`` of ``mutants`` fail; those that are
    ``excused`` do not count as mutants; ``possible`` is how many there were to choose
    from. ``late`` wrong answers and mutants pass all visible tests and fail hidden ones.
    ``seconds`` is how long the reference and its checks take; ``alone`` says why the
    answers could not be tried in forks. ``mistakes`` are digests of what the checks say,
    by the ``why`` of the wrong answers.
    """

    phase: str
    lesson: str
    exercise: str
    title: str
    path: str
    line: int
    named: int
    named_good: int
    mutants: int
    killed: int
    excused: int
    possible: int
    late: int
    seconds: float
    alone: str | None
    faults: tuple[Fault, ...]
    survivors: tuple[Survivor, ...]
    mistakes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Thresholds:
    """What a lesson must reach, in percent."""

    named_answers: float = 100.0
    mutants: float = 90.0

    @classmethod
    def read(cls, root: Path) -> Thresholds:
        """What ``[tool.roadmap.audit]`` says in ``root``'s pyproject.toml, if anything.

        Raises:
            RoadmapError: it is not TOML, or says something else.
        """
        path = root / PYPROJECT
        if not path.is_file():
            return cls()
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
            table = data.get("tool", {}).get("roadmap", {}).get("audit", {})
            return cls(**{k.replace("-", "_"): float(v) for k, v in table.items()})
        except (ValueError, TypeError, AttributeError) as error:
            raise RoadmapError(
                f"{path}: [tool.roadmap.audit] takes named-answers and mutants, each a "
                f"number of percent ({error})"
            ) from error


@dataclass(frozen=True)
class LessonAudit:
    """The verdicts on a lesson's exercises, and their sums."""

    phase: str
    name: str
    title: str
    exercises: tuple[ExerciseAudit, ...]
    thresholds: Thresholds

    def total(self, what: str) -> int:
        """The sum of one of the exercises' counts."""
        return sum(getattr(exercise, what) for exercise in self.exercises)

    @property
    def faults(self) -> list[Fault]:
        return [fault for exercise in self.exercises for fault in exercise.faults]

    @property
    def survivors(self) -> list[Survivor]:
        return [one for exercise in self.exercises for one in exercise.survivors]

    @property
    def named_rate(self) -> float:
        """Percent of the named answers that have no fault."""
        return _percent(self.total("named_good"), self.total("named"))

    @property
    def mutant_rate(self) -> float:
        """Percent of the mutants that fail; 100 if there are none."""
        return _percent(self.total("killed"), self.total("mutants"))

    @property
    def passes(self) -> bool:
        """Whether the thresholds are reached and nothing else is wrong."""
        named = self.total("named") - self.total("named_good")
        return (
            self.named_rate >= self.thresholds.named_answers
            and self.mutant_rate >= self.thresholds.mutants
            and len(self.faults) <= named
        )


def verdict(
    lesson: LessonPlan,
    exercise: ExercisePlan,
    runs: Sequence[ExerciseRun],
    environments: Sequence[Mapping[str, str]],
) -> ExerciseAudit:
    """What ``runs`` say, the first in full and the others the repeats in ``environments``."""
    first = runs[0]
    failed = next((run.failure for run in runs if run.failure), None)
    faults = dict(_named_faults(exercise, runs, environments)) if not failed else {}
    named = [v for v in exercise.variants if v.kind in NAMED]
    others = [] if failed else list(_other_faults(exercise, first.results))
    if failed:
        message = f"{exercise.id}: could not be run: {failed}"
        others = [Fault(exercise.path, exercise.line, message)]
    alive, excused, stale = _survivors(exercise, first.results)
    tried = [n for n in first.results if exercise.variants[n].kind == "mutant"]
    return ExerciseAudit(
        phase=lesson.phase,
        lesson=lesson.name,
        exercise=exercise.id,
        title=exercise.title,
        path=exercise.path,
        line=exercise.line,
        named=len(named),
        named_good=0 if failed else len(named) - len(faults),
        mutants=len(tried) - excused,
        killed=len(tried) - excused - len(alive),
        excused=excused,
        possible=exercise.possible,
        late=_late(exercise, first.results),
        seconds=first.results[0].seconds if 0 in first.results else 0.0,
        alone=first.alone,
        faults=(*faults.values(), *others, *([] if failed else stale)),
        survivors=tuple(alive),
        mistakes=tell_apart(
            (
                (check, message, exercise.variants[number].note)
                for number, check, message in _said(exercise, runs, "wrong")
            ),
            (said[1:] for said in _said(exercise, runs, "release")),
        ),
    )


def _said(
    exercise: ExercisePlan, runs: Sequence[ExerciseRun], kind: Kind
) -> Iterator[tuple[int, str, str]]:
    """(variant, check, message) of a kind of variant, where all environments agree on it."""
    for number, result in runs[0].results.items():
        if exercise.variants[number].kind != kind:
            continue
        for check, message in result.messages.items():
            told = (run.results.get(number, result).messages for run in runs)
            if all(messages.get(check) == message for messages in told):
                yield number, check, message


def _named_faults(
    exercise: ExercisePlan,
    runs: Sequence[ExerciseRun],
    environments: Sequence[Mapping[str, str]],
) -> Iterator[tuple[int, Fault]]:
    """One fault at most for each named answer, by its number."""
    results = runs[0].results
    said: dict[frozenset[str], Variant] = {}
    forged = {
        int(exercise.variants[number].note): result.forged
        for number, result in results.items()
        if exercise.variants[number].kind == "twin"
    }
    for number, variant in enumerate(exercise.variants):
        if variant.kind not in NAMED:
            continue
        result = results[number]
        message = _answer_fault(variant, result)
        if message is None and variant.kind == "right":
            extra = set(forged.get(number, ())) - set(forged.get(0, ()))
            if extra:
                message = (
                    f"a right answer passes the negative twin of {min(extra)}: the grader "
                    "would report it as tampering"
                )
        if message is None and variant.kind == "wrong":
            twin = said.setdefault(frozenset(result.messages.values()), variant)
            if _mistake(twin) != _mistake(variant):
                message = (
                    "its messages are those of the wrong answer in line "
                    f"{twin.line}; tell the mistakes apart, or begin both whys alike, up "
                    "to a colon, if they are one mistake"
                )
        if message is None:
            message = _flaky(number, runs, environments)
        if message is not None:
            yield number, Fault(variant.path, variant.line, f"{exercise.id}: {message}")


def _mistake(variant: Variant) -> str:
    return name_of(variant.note)


def _answer_fault(variant: Variant, result: Result) -> str | None:
    failed = list(result.messages.values())
    match variant.kind:
        case "reference" if failed:
            return f"the reference answer fails: {failed[0]}"
        case "release" if not failed:
            return "the untouched release passes"
        case "right" if failed:
            return f"a right answer fails ({variant.note}): {failed[0]}"
        case "wrong" if not failed:
            return f"a wrong answer passes ({variant.note})"
        case "wrong" if all(len(message) < TELLING for message in failed):
            return f"the message teaches nothing: {failed[0]!r}"
    return None


def _flaky(
    number: int,
    runs: Sequence[ExerciseRun],
    environments: Sequence[Mapping[str, str]],
) -> str | None:
    verdicts = [
        (frozenset(run.results[number].messages), environment)
        for run, environment in zip(runs, environments, strict=True)
        if number in run.results
    ]
    other = next((pair for pair in verdicts if pair[0] != verdicts[0][0]), None)
    if other is None:
        return None
    checks = ", ".join(sorted(other[0] ^ verdicts[0][0]))
    settings = " ".join(f"{name}={value}" for name, value in other[1].items())
    return f"flaky: {checks} judges it differently with {settings}"


def _other_faults(
    exercise: ExercisePlan, results: Mapping[int, Result]
) -> Iterator[Fault]:
    """What is wrong with the exercise, not with one answer."""
    where = (exercise.path, exercise.line)
    kinds = [variant.kind for variant in exercise.variants]
    if kinds.count("wrong") < WRONG_ANSWERS:
        message = f"give {WRONG_ANSWERS} wrong answers or more"
        yield Fault(*where, f"{exercise.id}: {message}")
    reference = same_code(exercise.reference) or exercise.reference
    rights = [v for v in exercise.variants if v.kind == "right"]
    if not any(_code(v, exercise) != reference for v in rights):
        message = "give a right answer that is not the reference"
        yield Fault(*where, f"{exercise.id}: {message}")
    if not _late(exercise, results):
        message = (
            "the hidden tests add nothing: every wrong answer and every mutant that "
            "fails, fails a visible test"
        )
        yield Fault(*where, f"{exercise.id}: {message}")


def _late(exercise: ExercisePlan, results: Mapping[int, Result]) -> int:
    return sum(
        result.late
        for number, result in results.items()
        if exercise.variants[number].kind in ("wrong", "mutant")
    )


def _code(variant: Variant, exercise: ExercisePlan) -> str:
    source = variant.sources.get(exercise.id, exercise.reference)
    return same_code(source) or source


def _survivors(
    exercise: ExercisePlan, results: Mapping[int, Result]
) -> tuple[list[Survivor], int, list[Fault]]:
    """Mutants that pass and are not excused, how many are, and excuses that fit none."""
    alive = {
        _code(exercise.variants[number], exercise): exercise.variants[number]
        for number, result in results.items()
        if exercise.variants[number].kind == "mutant" and not result.messages
    }
    excused: set[str] = set()
    stale = []
    for excuse in exercise.excuses:
        code = same_code(excuse.source) or excuse.source
        if code in alive:
            excused.add(code)
        else:
            message = "this excuse fits no surviving mutant; take it out"
            stale.append(Fault(excuse.path, excuse.line, f"{exercise.id}: {message}"))
    survivors = [
        Survivor(
            variant.path,
            variant.line,
            variant.note,
            _diff(exercise.reference, variant.sources[exercise.id]),
            variant.sources[exercise.id],
        )
        for code, variant in alive.items()
        if code not in excused
    ]
    return survivors, len(excused), stale


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), n=1, lineterm=""
    )
    return "\n".join(
        line for line in lines if not line.startswith(("---", "+++", "@@"))
    )


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0
