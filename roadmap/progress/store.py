"""What a learner has done, kept in one small file that every kernel shares."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import platformdirs
from filelock import FileLock, Timeout

from roadmap.errors import RoadmapError, UsageError

SCHEMA = 1
COUNTERS = ("problems", "projects", "github_profile", "applications")
LOCK_TIMEOUT_S = 10

# Kernels have several store objects on one file (the extension's, a view's);
# whoever shows progress wants to hear of the changes of all of them.
_watchers: dict[Path, list[Callable[[], None]]] = {}


@dataclass(frozen=True)
class CheckRecord:
    """How one check cell has gone so far.

    ``passed`` says whether it *ever* passed: a later failing run (a new idea
    tried out, a kernel just restarted) takes nothing away. ``last_result`` is
    the newest run's. ``attempts`` counts all runs. Times are UTC, ISO 8601.
    """

    passed: bool
    attempts: int
    first_passed: str | None
    last: str
    last_result: Literal["passed", "failed"]

    @classmethod
    def after(cls, before: CheckRecord | None, passed: bool, now: str) -> CheckRecord:
        """The record after one more run."""
        first_passed = before.first_passed if before else None
        return cls(
            passed=passed or (before is not None and before.passed),
            attempts=(before.attempts if before else 0) + 1,
            first_passed=first_passed or (now if passed else None),
            last=now,
            last_result="passed" if passed else "failed",
        )


@dataclass(frozen=True)
class Snapshot:
    """The progress at one moment; ``notice`` is a line the person should see, or None."""

    checks: Mapping[str, CheckRecord] = field(default_factory=dict)
    counters: Mapping[str, int] = field(
        default_factory=lambda: dict.fromkeys(COUNTERS, 0)
    )
    notice: str | None = None


def recording() -> bool:
    """Whether this process is a learner's, not a grader's or CI's.

    False where nbgrader runs the notebook (it sets ``NBGRADER_EXECUTION``) and
    where ``ROADMAP_PROGRESS=off``.
    """
    return (
        not os.environ.get("NBGRADER_EXECUTION")
        and os.environ.get("ROADMAP_PROGRESS") != "off"
    )


class ProgressStore:
    """The progress file.

    Every change is read, made and written under a lock and reaches the file by
    one ``os.replace``, so kernels that write at once lose nothing and a crash
    leaves the old file. A file that cannot be understood is put aside, never
    overwritten. Where :func:`recording` is false, the store reads as empty and
    keeps nothing.

    Args:
        path: the file. Without it ``$ROADMAP_PROGRESS_FILE``, or else
            ``progress.json`` in the user's data folder.
    """

    def __init__(self, path: Path | None = None) -> None:
        named = path or os.environ.get("ROADMAP_PROGRESS_FILE")
        self.path = Path(named).expanduser().absolute() if named else _default_path()

    def read(self) -> Snapshot:
        """The progress as it stands; empty when there is no file yet.

        Raises:
            RoadmapError: the file is there and cannot be read.
        """
        if not recording():
            return Snapshot()
        with self._one_line_errors():
            try:
                return self._parse()
            except ValueError:
                with self._locked():
                    return self._load()

    def record(self, results: Mapping[str, bool]) -> Snapshot:
        """Note one run of each check in ``results``: its grade id, and whether it passed.

        Raises:
            RoadmapError: the file cannot be written; it is as it was.
        """
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

        def change(old: Snapshot) -> Snapshot:
            new = {
                check: CheckRecord.after(old.checks.get(check), passed, now)
                for check, passed in results.items()
            }
            return replace(old, checks={**old.checks, **new})

        return self._update(change)

    def set_counter(self, name: str, value: int) -> Snapshot:
        """Set one of the final checklist's counters (``github_profile``: 0 or 1).

        Raises:
            UsageError: no such counter, or a number below zero.
            RoadmapError: the file cannot be written; it is as it was.
        """
        if name not in COUNTERS:
            raise UsageError(
                f"{name}: no such counter; there are {', '.join(COUNTERS)}"
            )
        if value < 0:
            raise UsageError(f"{name}: {value} is below zero; give 0 or more")
        return self._update(
            lambda old: replace(old, counters={**old.counters, name: value})
        )

    def watch(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` after each change that this process makes to the file."""
        _watchers.setdefault(self.path, []).append(callback)

    def _update(self, change: Callable[[Snapshot], Snapshot]) -> Snapshot:
        if not recording():
            return Snapshot()
        with self._one_line_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                new = change(self._load())
                _write(self.path, new)
        for callback in _watchers.get(self.path, []):
            callback()
        return new

    def _load(self) -> Snapshot:
        """Parse, or put the file aside and begin anew. Call it under the lock."""
        try:
            return self._parse()
        except ValueError as error:
            kept = _free_name(self.path)
            self.path.rename(kept)
            notice = (
                f"{self.path}: {error}. It is kept as {kept.name} and a new file begun"
            )
            return Snapshot(notice=notice)

    def _parse(self) -> Snapshot:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Snapshot()
        except UnicodeDecodeError as error:
            raise ValueError("not a progress file (not UTF-8 text)") from error
        return _from_json(text)

    def _locked(self) -> FileLock:
        lock = self.path.with_name(f"{self.path.name}.lock")
        return FileLock(lock, timeout=LOCK_TIMEOUT_S)

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except Timeout as error:
            raise RoadmapError(
                f"{self.path}: another program has kept it locked for {LOCK_TIMEOUT_S} s; "
                "close other notebooks and try again"
            ) from error
        except OSError as error:
            raise RoadmapError(
                f"{self.path}: progress cannot be kept here ({error.strerror or error}); "
                "make it readable and writable, or set ROADMAP_PROGRESS_FILE to another file"
            ) from error


def _default_path() -> Path:
    folder = platformdirs.user_data_path("python-backend-roadmap", appauthor=False)
    return folder / "progress.json"


def _from_json(text: str) -> Snapshot:
    """Read what :func:`_write` wrote; ValueError says why it is something else."""
    try:
        data = json.loads(text)
        schema = data["schema"]
        if isinstance(schema, int) and schema > SCHEMA:
            raise ValueError(
                f"written by a newer version of the course (schema {schema})"
            )
        if schema != SCHEMA:
            raise ValueError(f"not a progress file (schema {schema!r})")
        checks = {
            name: _check_record(record) for name, record in data["checks"].items()
        }
        counters = {name: _count(data["counters"][name]) for name in COUNTERS}
    except (
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        json.JSONDecodeError,
    ) as error:
        raise ValueError(
            f"not a progress file ({type(error).__name__}: {error})"
        ) from error
    return Snapshot(checks, counters)


def _check_record(data: dict[str, Any]) -> CheckRecord:
    record = CheckRecord(**data)
    if not isinstance(record.passed, bool) or record.last_result not in (
        "passed",
        "failed",
    ):
        raise TypeError(f"no record of a check: {data!r:.80}")
    return replace(record, attempts=_count(record.attempts))


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r:.80} is no count")
    return value


def _write(path: Path, snapshot: Snapshot) -> None:
    data = {
        "schema": SCHEMA,
        "checks": {
            name: asdict(record) for name, record in sorted(snapshot.checks.items())
        },
        "counters": dict(snapshot.counters),
    }
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise


def _free_name(path: Path) -> Path:
    number = 1
    while (kept := path.with_name(f"{path.name}.kept-{number}")).exists():
        number += 1
    return kept
