"""What a learner has done, kept in one small file that every kernel shares."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from roadmap.errors import RoadmapError, UsageError
from roadmap.progress.records import (
    COUNTERS,
    Evidence,
    Outcome,
    Plan,
    Snapshot,
    from_json,
    to_json,
)

LOCK_TIMEOUT_S = 10

# Kernels have several store objects on one file (the extension's, a view's);
# whoever shows progress wants to hear of the changes of all of them.
_watchers: dict[Path, list[Callable[[], None]]] = {}


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
        now: the time in the learner's time zone, which says what "today" is.
    """

    def __init__(
        self,
        path: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        named = path or os.environ.get("ROADMAP_PROGRESS_FILE")
        self.path = Path(named).expanduser().absolute() if named else _default_path()
        self._now = now

    def today(self) -> date:
        """The learner's own day."""
        return self._now().date()

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

    def record(self, outcomes: Mapping[str, Outcome]) -> Snapshot:
        """Note one run of each check in ``outcomes``, by its grade id.

        Raises:
            RoadmapError: the file cannot be written; it is as it was.
        """
        now = self._now()
        return self.update(lambda old: old.after(outcomes, now))

    def set_counter(self, name: str, value: int) -> Snapshot:
        """Set one of the final checklist's counters (``github_profile``: 0 or 1).

        Raises:
            UsageError: no such counter, or a number below zero.
            RoadmapError: the file cannot be written; it is as it was.
        """
        _known(name)
        if value < 0:
            raise UsageError(f"{name}: {value} is below zero; give 0 or more")
        return self.update(
            lambda old: replace(old, counters={**old.counters, name: value})
        )

    def set_plan(self, plan: Plan) -> Snapshot:
        """Set when the learner began and how many hours a week they have.

        Raises:
            RoadmapError: the file cannot be written; it is as it was.
        """
        return self.update(lambda old: replace(old, plan=plan))

    def add_evidence(self, name: str, evidence: Evidence) -> Snapshot:
        """Add to what shows that a goal of the final checklist is reached; once only.

        Raises:
            UsageError: no such goal.
            RoadmapError: the file cannot be written; it is as it was.
        """
        _known(name)

        def add(old: Snapshot) -> Snapshot:
            others = [one for one in old.evidence[name] if one != evidence]
            return replace(old, evidence={**old.evidence, name: (*others, evidence)})

        return self.update(add)

    def remove_evidence(self, name: str, evidence: Evidence) -> Snapshot:
        """Take a piece of evidence away again, if it is there.

        Raises:
            UsageError: no such goal.
            RoadmapError: the file cannot be written; it is as it was.
        """
        _known(name)

        def remove(old: Snapshot) -> Snapshot:
            others = tuple(one for one in old.evidence[name] if one != evidence)
            return replace(old, evidence={**old.evidence, name: others})

        return self.update(remove)

    def watch(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` after each change that this process makes to the file."""
        _watchers.setdefault(self.path, []).append(callback)

    def update(self, change: Callable[[Snapshot], Snapshot]) -> Snapshot:
        """Replace the progress by what ``change`` makes of it, under the lock.

        Raises:
            RoadmapError: the file cannot be written; it is as it was.
        """
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
        return from_json(text)

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


def _known(name: str) -> None:
    if name not in COUNTERS:
        raise UsageError(f"{name}: no such counter; there are {', '.join(COUNTERS)}")


def _default_path() -> Path:
    folder = platformdirs.user_data_path("python-backend-roadmap", appauthor=False)
    return folder / "progress.json"


def _write(path: Path, snapshot: Snapshot) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(to_json(snapshot))
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
