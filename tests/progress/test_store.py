"""The progress file: nothing lost, nothing overwritten, one clear line when it cannot be."""

from __future__ import annotations

import json
import multiprocessing
import re
from pathlib import Path

import pytest
from filelock import FileLock

from roadmap.errors import RoadmapError, UsageError
from roadmap.progress import ProgressStore
from roadmap.progress import store as store_module
from roadmap.progress.model import GOALS
from roadmap.progress.store import COUNTERS


def _record_with(**changes: str) -> bytes:
    record = {
        "passed": "true",
        "attempts": "1",
        "first_passed": "null",
        "last": '"2026-01-01T00:00:00Z"',
        "last_result": '"failed"',
        **changes,
    }
    fields = ", ".join(f'"{name}": {value}' for name, value in record.items())
    counters = ", ".join(f'"{name}": 0' for name in COUNTERS)
    text = (
        f'{{"schema": 1, "checks": {{"a": {{{fields}}}}}, "counters": {{{counters}}}}}'
    )
    return text.encode()


def test_a_whole_record_written_by_hand_is_read(store: ProgressStore) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(_record_with())

    assert store.read().checks["a"].attempts == 1


def test_reads_empty_before_anything_was_done_and_makes_no_file(
    store: ProgressStore,
) -> None:
    snapshot = store.read()

    assert snapshot.checks == {}
    assert snapshot.counters == dict.fromkeys(COUNTERS, 0)
    assert not store.path.parent.exists()


def test_what_one_store_records_another_reads(store: ProgressStore) -> None:
    store.record({"test-carts": True, "test-alias": False})
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
    store.record({"test-carts": True})
    first = store.read().checks["test-carts"].first_passed
    store.record({"test-carts": False})

    record = store.read().checks["test-carts"]

    assert (record.passed, record.last_result, record.attempts) == (True, "failed", 2)
    assert record.first_passed == first is not None


def test_a_failed_check_has_no_first_passed_until_it_passes(
    store: ProgressStore,
) -> None:
    assert store.record({"test-carts": False}).checks["test-carts"].first_passed is None
    assert (
        store.record({"test-carts": True}).checks["test-carts"].first_passed is not None
    )


def test_the_file_holds_the_schema_and_utc_times(store: ProgressStore) -> None:
    store.record({"test-carts": True})

    data = json.loads(store.path.read_text(encoding="utf-8"))

    assert data["schema"] == 1
    record = data["checks"]["test-carts"]
    assert set(record) == {"passed", "attempts", "first_passed", "last", "last_result"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["last"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a progress file"),
        (b'{"schema": 1, "checks"', "not a progress file"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"[]", "not a progress file"),
        (b"[" * 100_000, "not a progress file"),
        (b'{"schema": 1, "checks": {}, "counters": {}}', "not a progress file"),
        (_record_with(passed='"yes"'), "no record of a check"),
        (_record_with(attempts="-1"), "-1 is no count"),
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
        "newer schema",
    ],
)
def test_a_file_that_cannot_be_understood_is_put_aside_whole_and_told(
    store: ProgressStore, content: bytes, reason: str
) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(content)

    snapshot = store.record({"test-carts": True})

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
        store.record({"test-carts": True})

    assert store.path.with_name("progress.json.kept-1").read_text() == "broken once"
    assert store.path.with_name("progress.json.kept-2").read_text() == "broken twice"


def _record_many(
    path: Path, who: str, start: multiprocessing.synchronize.Barrier
) -> None:
    store = ProgressStore(path)
    start.wait()
    for number in range(25):
        store.record({f"test-{who}-{number}": True, "test-shared": True})


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
    store.record({"test-carts": True})
    before = store.path.read_bytes()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store_module.os, step, crash)
    with pytest.raises(KeyboardInterrupt):
        store.record({"test-alias": True})

    assert store.path.read_bytes() == before
    names = {path.name for path in store.path.parent.iterdir()}
    assert names <= {"progress.json", "progress.json.lock"}


def test_a_full_disk_is_one_line_and_the_old_file_stays(
    store: ProgressStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record({"test-carts": True})
    before = store.path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.os, "fsync", full)
    with pytest.raises(
        RoadmapError, match=r"No space left on device.*ROADMAP_PROGRESS_FILE"
    ):
        store.record({"test-alias": True})

    assert store.path.read_bytes() == before


def test_an_unusable_place_is_one_line_that_names_it_and_the_way_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "a file").touch()
    store = ProgressStore(tmp_path / "a file" / "progress.json")

    with pytest.raises(
        RoadmapError, match=r"a file/progress\.json.*ROADMAP_PROGRESS_FILE"
    ) as told:
        store.record({"test-carts": True})

    assert "\n" not in str(told.value)


def test_a_file_that_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "progress.json"
    folder.mkdir()

    with pytest.raises(RoadmapError, match=r"progress\.json"):
        ProgressStore(folder).record({"test-carts": True})

    assert folder.is_dir()


def test_a_lock_that_is_never_released_is_one_line(
    store: ProgressStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record({"test-carts": True})
    monkeypatch.setattr(store_module, "LOCK_TIMEOUT_S", 0.05)

    with (
        FileLock(store.path.with_name("progress.json.lock")),
        pytest.raises(RoadmapError, match="locked"),
    ):
        store.record({"test-alias": True})


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
    store.record({"test-carts": True})
    before = store.path.read_bytes()
    monkeypatch.setenv(variable, value)

    store.record({"test-alias": True})
    store.set_counter("problems", 5)

    assert store.read().checks == {}
    assert store.path.read_bytes() == before


def test_watchers_hear_of_changes_by_any_store_on_the_file(
    store: ProgressStore,
) -> None:
    heard: list[int] = []
    store.watch(lambda: heard.append(len(store.read().checks)))

    ProgressStore(store.path).record({"test-carts": True})
    ProgressStore(store.path.with_name("other.json")).record({"test-carts": True})

    assert heard == [1]
