"""The progress file: nothing lost, nothing overwritten, one clear line when it cannot be."""

from __future__ import annotations

import json
import multiprocessing
import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from filelock import FileLock

from roadmap.errors import RoadmapError, UsageError
from roadmap.progress import Outcome, ProgressStore
from roadmap.progress import store as store_module
from roadmap.progress.model import GOALS
from roadmap.progress.records import (
    COUNTERS,
    KEPT_CHECK_DAYS,
    KEPT_FAILURES,
    MESSAGE_LIMIT,
    Day,
    Evidence,
    Failure,
    Plan,
)

NEW_YEAR = date(2026, 1, 1)

PASSED, FAILED = Outcome(True), Outcome(False, "carts is 3")


def _file(**changes: object) -> bytes:
    """A whole file of the present schema, with ``changes`` to its one record."""
    record = {
        "passed": True,
        "attempts": 1,
        "first_passed": None,
        "last": "2026-01-01T00:00:00Z",
        "last_result": "failed",
        "full": None,
        "in_a_row": 0,
        "days": [{"date": "2026-01-01", "passed": 0, "failed": 1}],
        "failures": [{"message": "carts is 3", "last": "2026-01-01", "times": 1}],
        **changes,
    }
    data = {
        "schema": 2,
        "checks": {"a": record},
        "counters": dict.fromkeys(COUNTERS, 0),
        "evidence": dict.fromkeys(COUNTERS, ()),
        "plan": {"start": "2026-01-01", "hours": 10},
        "days": [{"date": "2026-01-01", "passed": 0, "failed": 1}],
    }
    return json.dumps(data).encode()


def test_a_whole_file_written_by_hand_is_read(store: ProgressStore) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(_file())

    snapshot = store.read()

    assert snapshot.checks["a"].failures == (Failure("carts is 3", NEW_YEAR),)
    assert snapshot.plan == Plan(NEW_YEAR, 10)
    assert snapshot.days == (Day(NEW_YEAR, 0, 1),)


def test_a_file_of_the_first_schema_is_read_with_all_that_it_holds(
    store: ProgressStore,
) -> None:
    record = {
        "passed": True,
        "attempts": 3,
        "first_passed": "2026-01-01T12:00:00Z",
        "last": "2026-01-03T12:00:00Z",
        "last_result": "failed",
    }
    counters = {name: number for number, name in enumerate(COUNTERS)}
    store.path.parent.mkdir()
    store.path.write_text(
        json.dumps({"schema": 1, "checks": {"a": record}, "counters": counters})
    )

    snapshot = store.record({"b": PASSED})

    assert snapshot.notice is None
    assert snapshot.counters == counters
    old = snapshot.checks["a"]
    assert (old.passed, old.attempts, old.last_result) == (True, 3, "failed")
    assert old.days == (Day(NEW_YEAR, 1, 0), Day(date(2026, 1, 3), 0, 1))
    assert ProgressStore(store.path).read() == snapshot
    assert json.loads(store.path.read_text())["schema"] == 2


def test_reads_empty_before_anything_was_done_and_makes_no_file(
    store: ProgressStore,
) -> None:
    snapshot = store.read()

    assert snapshot.checks == {}
    assert snapshot.counters == dict.fromkeys(COUNTERS, 0)
    assert not store.path.parent.exists()


def test_what_one_store_records_another_reads(store: ProgressStore) -> None:
    store.record({"test-carts": PASSED, "test-alias": FAILED})
    store.set_counter("problems", 37)

    snapshot = ProgressStore(store.path).read()

    assert snapshot.checks["test-carts"].passed
    assert not snapshot.checks["test-alias"].passed
    assert snapshot.counters["problems"] == 37
    assert snapshot.notice is None


def test_the_default_file_lies_in_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ROADMAP_PROGRESS_FILE")

    path = ProgressStore().path

    assert path.name == "progress.json"
    assert path.parent.name == "python-backend-roadmap"
    assert path.is_absolute()


def test_a_passed_check_stays_passed_when_a_later_run_fails(
    store: ProgressStore,
) -> None:
    store.record({"test-carts": PASSED})
    first = store.read().checks["test-carts"].first_passed
    store.record({"test-carts": FAILED})

    record = store.read().checks["test-carts"]

    assert (record.passed, record.last_result, record.attempts) == (True, "failed", 2)
    assert record.first_passed == first is not None


def test_a_failed_check_has_no_first_passed_until_it_passes(
    store: ProgressStore,
) -> None:
    assert (
        store.record({"test-carts": FAILED}).checks["test-carts"].first_passed is None
    )
    assert (
        store.record({"test-carts": PASSED}).checks["test-carts"].first_passed
        is not None
    )


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


def test_runs_are_counted_by_day_and_their_messages_kept(
    progress_file: Path,
) -> None:
    clock = Clock()
    store = ProgressStore(progress_file, clock)
    store.record({"a": FAILED})
    store.record({"a": FAILED, "b": PASSED})
    clock.time += timedelta(days=1)
    store.record({"a": PASSED})

    snapshot = store.record({"a": PASSED})

    tomorrow = NEW_YEAR + timedelta(days=1)
    assert snapshot.days == (Day(NEW_YEAR, 1, 2), Day(tomorrow, 2, 0))
    record = snapshot.checks["a"]
    assert record.days == (Day(NEW_YEAR, 0, 2), Day(tomorrow, 2, 0))
    assert record.failures == (Failure("carts is 3", NEW_YEAR, 2),)
    assert record.in_a_row == 2
    assert ProgressStore(progress_file).read() == snapshot


def test_a_day_is_the_learners_own_not_utcs(progress_file: Path) -> None:
    late = datetime(2026, 1, 1, 23, tzinfo=timezone(timedelta(hours=-5)))

    record = (
        ProgressStore(progress_file, lambda: late).record({"a": PASSED}).checks["a"]
    )

    assert record.days == (Day(NEW_YEAR, 1, 0),)
    assert record.last == "2026-01-02T04:00:00Z"


def test_a_check_without_an_answer_is_an_attempt_but_no_failure(
    store: ProgressStore,
) -> None:
    snapshot = store.record({"a": Outcome(False)})

    assert snapshot.checks["a"].attempts == 1
    assert snapshot.checks["a"].failures == ()
    assert snapshot.days == ()


def test_the_full_grade_of_what_nobody_has_begun_leaves_no_trace(
    store: ProgressStore,
) -> None:
    assert store.record({"a": Outcome(False, full=True)}).checks == {}


def test_the_full_grade_counts_as_a_days_work_only_where_it_ticks(
    store: ProgressStore,
) -> None:
    for outcome in (
        Outcome(False, "no", full=True),
        Outcome(True, full=True),
        Outcome(True, full=True),
    ):
        snapshot = store.record({"a": outcome})

    assert [(day.passed, day.failed) for day in snapshot.days] == [(1, 0)]
    record = snapshot.checks["a"]
    assert (record.full, record.attempts, record.failures[0].message) == (
        "passed",
        3,
        "no",
    )


def test_a_file_does_not_grow_without_end(progress_file: Path) -> None:
    clock = Clock()
    store = ProgressStore(progress_file, clock)
    for number in range(KEPT_CHECK_DAYS + 10):
        clock.time += timedelta(days=1)
        snapshot = store.record({"a": Outcome(False, f"{number} " + "x" * 1000)})

    record = snapshot.checks["a"]
    assert len(record.days) == KEPT_CHECK_DAYS
    assert [one.message[:3] for one in record.failures] == [
        f"{number} " for number in range(KEPT_CHECK_DAYS + 10)
    ][-KEPT_FAILURES:]
    assert all(len(one.message) == MESSAGE_LIMIT for one in record.failures)


def test_a_plan_and_evidence_are_kept_and_evidence_counts(
    store: ProgressStore,
) -> None:
    first = Evidence("Two Sum", link="https://example.org/two-sum", day=NEW_YEAR)
    second = Evidence("Anagrams")
    store.set_plan(Plan(NEW_YEAR, 7.5))
    store.set_counter("problems", 1)
    for one in (first, second, first):
        store.add_evidence("problems", one)

    snapshot = ProgressStore(store.path).read()

    assert snapshot.plan == Plan(NEW_YEAR, 7.5)
    assert snapshot.evidence["problems"] == (second, first)
    assert snapshot.count("problems") == 2
    store.set_counter("problems", 40)
    assert store.read().count("problems") == 40
    assert store.remove_evidence("problems", first).evidence["problems"] == (second,)


def test_the_file_holds_the_schema_and_utc_times(store: ProgressStore) -> None:
    store.record({"test-carts": PASSED})

    data = json.loads(store.path.read_text(encoding="utf-8"))

    assert data["schema"] == 2
    record = data["checks"]["test-carts"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["last"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a progress file"),
        (b'{"schema": 1, "checks"', "not a progress file"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"[]", "not a progress file"),
        (b"[" * 100_000, "not a progress file"),
        (b'{"schema": 2, "checks": {}, "counters": {}}', "not a progress file"),
        (_file(passed="yes"), "no record of a check"),
        (_file(attempts=-1), "-1 is no count"),
        (_file(days=[{"date": "soon", "passed": 1, "failed": 0}]), "soon"),
        (_file(colour="red"), "colour"),
        (
            b'{"schema": 99, "checks": {}, "counters": {}}',
            "newer version of the course",
        ),
    ],
    ids=[
        "empty",
        "cut off",
        "binary",
        "a list",
        "deep",
        "no counters",
        "no truth",
        "no count",
        "no date",
        "unknown field",
        "newer schema",
    ],
)
def test_a_file_that_cannot_be_understood_is_put_aside_whole_and_told(
    store: ProgressStore, content: bytes, reason: str
) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(content)

    snapshot = store.record({"test-carts": PASSED})

    kept = store.path.with_name("progress.json.kept-1")
    assert kept.read_bytes() == content
    assert reason in (snapshot.notice or "")
    assert kept.name in (snapshot.notice or "")
    assert "\n" not in (snapshot.notice or "")
    assert store.read().checks["test-carts"].passed


def test_reading_alone_puts_a_broken_file_aside_too(store: ProgressStore) -> None:
    store.path.parent.mkdir()
    store.path.write_text("broken")

    assert "kept-1" in (store.read().notice or "")
    assert store.path.with_name("progress.json.kept-1").read_text() == "broken"


def test_a_second_broken_file_does_not_overwrite_the_first(
    store: ProgressStore,
) -> None:
    store.path.parent.mkdir()
    for content in ("broken once", "broken twice"):
        store.path.write_text(content)
        store.record({"test-carts": PASSED})

    assert store.path.with_name("progress.json.kept-1").read_text() == "broken once"
    assert store.path.with_name("progress.json.kept-2").read_text() == "broken twice"


def _record_many(
    path: Path, who: str, start: multiprocessing.synchronize.Barrier
) -> None:
    store = ProgressStore(path)
    start.wait()
    for number in range(25):
        store.record({f"test-{who}-{number}": PASSED, "test-shared": PASSED})


def test_processes_that_write_at_once_lose_nothing(store: ProgressStore) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    writers = [
        context.Process(target=_record_many, args=(store.path, who, start))
        for who in "abc"
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)

    checks = store.read().checks

    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(checks) == 3 * 25 + 1
    assert checks["test-shared"].attempts == 75


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_before_the_file_is_replaced_leaves_the_old_one(
    store: ProgressStore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store.record({"test-carts": PASSED})
    before = store.path.read_bytes()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store_module.os, step, crash)
    with pytest.raises(KeyboardInterrupt):
        store.record({"test-alias": PASSED})

    assert store.path.read_bytes() == before
    names = {path.name for path in store.path.parent.iterdir()}
    assert names <= {"progress.json", "progress.json.lock"}


def test_a_full_disk_is_one_line_and_the_old_file_stays(
    store: ProgressStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record({"test-carts": PASSED})
    before = store.path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.os, "fsync", full)
    with pytest.raises(
        RoadmapError, match=r"No space left on device.*ROADMAP_PROGRESS_FILE"
    ):
        store.record({"test-alias": PASSED})

    assert store.path.read_bytes() == before


def test_an_unusable_place_is_one_line_that_names_it_and_the_way_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "a file").touch()
    store = ProgressStore(tmp_path / "a file" / "progress.json")

    with pytest.raises(
        RoadmapError, match=r"a file/progress\.json.*ROADMAP_PROGRESS_FILE"
    ) as told:
        store.record({"test-carts": PASSED})

    assert "\n" not in str(told.value)


def test_a_file_that_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "progress.json"
    folder.mkdir()

    with pytest.raises(RoadmapError, match=r"progress\.json"):
        ProgressStore(folder).record({"test-carts": PASSED})

    assert folder.is_dir()


def test_a_lock_that_is_never_released_is_one_line(
    store: ProgressStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record({"test-carts": PASSED})
    monkeypatch.setattr(store_module, "LOCK_TIMEOUT_S", 0.05)

    with (
        FileLock(store.path.with_name("progress.json.lock")),
        pytest.raises(RoadmapError, match="locked"),
    ):
        store.record({"test-alias": PASSED})


@pytest.mark.parametrize(("name", "value"), [("steps", 1), ("problems", -1)])
def test_unknown_and_negative_counters_are_refused(
    store: ProgressStore, name: str, value: int
) -> None:
    with pytest.raises(UsageError, match=name):
        store.set_counter(name, value)


def test_every_goal_has_a_counter() -> None:
    assert {goal.counter for goal in GOALS} == set(COUNTERS)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("NBGRADER_EXECUTION", "autograde"), ("ROADMAP_PROGRESS", "off")],
)
def test_where_a_grader_or_ci_runs_nothing_is_read_or_written(
    store: ProgressStore, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    store.record({"test-carts": PASSED})
    before = store.path.read_bytes()
    monkeypatch.setenv(variable, value)

    store.record({"test-alias": PASSED})
    store.set_counter("problems", 5)

    assert store.read().checks == {}
    assert store.path.read_bytes() == before


def test_watchers_hear_of_changes_by_any_store_on_the_file(
    store: ProgressStore,
) -> None:
    heard: list[int] = []
    store.watch(lambda: heard.append(len(store.read().checks)))

    ProgressStore(store.path).record({"test-carts": PASSED})
    ProgressStore(store.path.with_name("other.json")).record({"test-carts": PASSED})

    assert heard == [1]
