"""Results that are kept in ``.roadmap/audit``: what has not changed is not run again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from roadmap.audit.kernels import ExerciseRun, Result
from roadmap.audit.plan import ExercisePlan
from roadmap.errors import RoadmapError

FOLDER = Path(".roadmap", "audit")


class Store:
    """The results of one lesson's exercises, each with the key that they hold for."""

    def __init__(self, root: Path, phase: str, lesson: str) -> None:
        self._path = root / FOLDER / phase / f"{lesson}.json"

    def load(self, exercises: Sequence[ExercisePlan]) -> dict[str, list[ExerciseRun]]:
        """The runs of those of ``exercises`` that are as they were, by id."""
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                exercise.id: [_run(run) for run in data[exercise.id]["runs"]]
                for exercise in exercises
                if data.get(exercise.id, {}).get("key") == exercise.key
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}  # none yet, or another version's: everything is run

    def save(
        self,
        exercises: Sequence[ExercisePlan],
        runs: Mapping[str, Sequence[ExerciseRun]],
    ) -> None:
        """Keep ``runs``; those of exercises that are gone are dropped, and failures too.

        Raises:
            RoadmapError: the file cannot be written.
        """
        data = {
            exercise.id: {
                "key": exercise.key,
                "runs": [asdict(run) for run in runs[exercise.id]],
            }
            for exercise in exercises
            if not any(run.failure for run in runs[exercise.id])
        }
        write(self._path, json.dumps(data, ensure_ascii=False))


def write(path: Path, text: str) -> None:
    """Replace a file, or leave it as it was.

    Raises:
        RoadmapError: it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise RoadmapError(f"{path}: cannot be written: {error.strerror}") from error


def _run(data: Mapping[str, object]) -> ExerciseRun:
    results = data["results"]
    if not isinstance(results, dict):
        raise TypeError("results")
    return ExerciseRun(
        {
            int(number): Result(**{**result, "forged": tuple(result["forged"])})
            for number, result in results.items()
        },
        data["alone"],  # type: ignore[arg-type]  # as it was written
        None,
    )
