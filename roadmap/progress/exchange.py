"""Progress taken along: as a file, as a short text to paste, and put together again.

Binder forgets, and people have two computers. The file is what the progress file is. The
text holds the same but for the messages of failed checks, packed, with a checksum, in
letters that survive a mail or a chat.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import replace
from pathlib import Path

from roadmap.errors import RoadmapError
from roadmap.progress.records import (
    COUNTERS,
    KEPT_CHECK_DAYS,
    KEPT_DAYS,
    KEPT_EVIDENCE,
    KEPT_FAILURES,
    CheckRecord,
    Day,
    Failure,
    Plan,
    Snapshot,
    from_json,
    to_json,
)
from roadmap.progress.store import ProgressStore

NAME = "my-roadmap-progress.json"
PREFIX = "roadmap-progress"
LIMIT = 20_000_000  # bytes of progress; a text may claim to unpack to any size


def write_export(path: Path, snapshot: Snapshot) -> None:
    """Write ``snapshot`` to a file for :func:`read_export`.

    Raises:
        RoadmapError: the file cannot be written; what was there is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(to_json(snapshot) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise RoadmapError(f"{path}: cannot be written: {error.strerror}") from error


def read_export_file(path: Path) -> Snapshot:
    """Read an exported file, or a file that the text was pasted into.

    Raises:
        RoadmapError: it cannot be read, or is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RoadmapError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RoadmapError(f"{path}: not an exported progress") from error
    return read_export(text, str(path))


def as_text(snapshot: Snapshot) -> str:
    """``snapshot`` in one line: prefix, checksum and content, separated by points."""
    checks = {n: replace(r, failures=()) for n, r in snapshot.checks.items()}
    data = zlib.compress(to_json(replace(snapshot, checks=checks), None).encode(), 9)
    return ".".join(
        [
            PREFIX,
            f"{zlib.crc32(data):08x}",
            base64.urlsafe_b64encode(data).decode().rstrip("="),
        ]
    )


def read_export(text: str, name: str = "the text") -> Snapshot:
    """What :func:`as_text` gave or a file holds; line breaks in a text do not matter.

    Raises:
        RoadmapError: it is neither; the message begins with ``name``.
    """
    try:
        if text.lstrip().startswith("{"):
            return from_json(text)
        return from_json(_unpack("".join(text.split())))
    except ValueError as error:
        raise RoadmapError(f"{name}: {error}; nothing was imported") from error


def _unpack(text: str) -> str:
    """The JSON in a text; ValueError says what is wrong with it."""
    prefix, _, rest = text.partition(".")
    checksum, _, content = rest.partition(".")
    if prefix != PREFIX or not content:
        raise ValueError("not an exported progress")
    try:
        data = base64.urlsafe_b64decode(content + "=" * (-len(content) % 4))
    except binascii.Error as error:
        raise ValueError("a part of it is missing: copy the whole text") from error
    if f"{zlib.crc32(data):08x}" != checksum:
        raise ValueError("a part of it is missing or changed: copy the whole text")
    unpacker = zlib.decompressobj()
    try:
        whole = unpacker.decompress(data, LIMIT)
    except zlib.error as error:
        raise ValueError("not an exported progress") from error
    if unpacker.unconsumed_tail:
        raise ValueError(f"it holds more than {LIMIT // 1_000_000} MB")
    return whole.decode("utf-8")


def import_into(store: ProgressStore, other: Snapshot) -> str:
    """Merge ``other`` into the store, and say in a sentence what is new.

    Raises:
        RoadmapError: the progress file cannot be written; it is as it was.
    """
    before = _passed(store.read())
    after = store.update(lambda mine: merge(mine, other))
    new = len(_passed(after) - before)
    said = f"{new} new {'tick' if new == 1 else 'ticks'}" if new else "no new ticks"
    return f"Imported: {said}; all that was here is still here"


def _passed(snapshot: Snapshot) -> set[str]:
    return {name for name, record in snapshot.checks.items() if record.passed}


def merge(mine: Snapshot, other: Snapshot) -> Snapshot:
    """Both together; nothing that either holds is lost, and doing it twice changes nothing.

    What can be said only once (the plan) is taken from ``mine`` if it is said there.
    """
    checks = dict(mine.checks)
    for name, record in other.checks.items():
        checks[name] = _both(checks[name], record) if name in checks else record
    evidence = {}
    for name in COUNTERS:
        both = dict.fromkeys((*mine.evidence[name], *other.evidence[name]))
        evidence[name] = tuple(both)[-KEPT_EVIDENCE:]
    start, hours = mine.plan.start, mine.plan.hours
    return Snapshot(
        checks,
        {name: max(mine.counters[name], other.counters[name]) for name in COUNTERS},
        evidence,
        Plan(
            other.plan.start if start is None else start,
            other.plan.hours if hours is None else hours,
        ),
        _days(mine.days, other.days, KEPT_DAYS),
        mine.notice,
    )


def _both(one: CheckRecord, two: CheckRecord) -> CheckRecord:
    older, newer = sorted((one, two), key=lambda record: record.last)
    first = [time for time in (one.first_passed, two.first_passed) if time]
    failures: dict[str, Failure] = {}
    for failure in sorted((*one.failures, *two.failures), key=lambda one: one.last):
        known = failures.pop(failure.message, failure)
        times = max(known.times, failure.times)
        failures[failure.message] = replace(failure, times=times)
    return replace(
        newer,
        passed=one.passed or two.passed,
        attempts=max(one.attempts, two.attempts),
        first_passed=min(first, default=None),
        full=newer.full or older.full,
        days=_days(one.days, two.days, KEPT_CHECK_DAYS),
        failures=tuple(failures.values())[-KEPT_FAILURES:],
    )


def _days(one: tuple[Day, ...], two: tuple[Day, ...], kept: int) -> tuple[Day, ...]:
    """Day by day the larger numbers: the same runs may be in both."""
    days = {day.date: day for day in one}
    for day in two:
        same = days.get(day.date, day)
        days[day.date] = Day(
            day.date, max(same.passed, day.passed), max(same.failed, day.failed)
        )
    return tuple(days[day] for day in sorted(days))[-kept:]
