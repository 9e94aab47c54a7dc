"""Export and import: whole or not at all, and nothing is lost by it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from roadmap.cli import main
from roadmap.errors import RoadmapError
from roadmap.progress import Outcome, ProgressStore
from roadmap.progress.exchange import (
    as_text,
    import_into,
    merge,
    read_export,
    read_export_file,
    write_export,
)
from roadmap.progress.records import Evidence, Plan, Snapshot, to_json

PASS, FAIL = Outcome(True), Outcome(False, "carts is 3")


def after(days: int, **outcomes: Outcome) -> Snapshot:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=days)
    return Snapshot().after(outcomes, now)


@pytest.fixture
def rich() -> Snapshot:
    """Something of everything."""
    snapshot = after(0, a=FAIL, b=PASS).after({"a": PASS}, datetime.now(UTC))
    return replace(
        snapshot,
        plan=Plan(date(2026, 1, 1), 7.5),
        counters={**snapshot.counters, "problems": 3},
        evidence={
            **snapshot.evidence,
            "applications": (Evidence("Ünï", "rôle", "", date(2026, 2, 1)),),
        },
    )


def test_a_file_holds_everything(rich: Snapshot, tmp_path: Path) -> None:
    write_export(tmp_path / "mine.json", rich)

    assert read_export_file(tmp_path / "mine.json") == rich
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]


def test_a_text_holds_all_but_messages_and_survives_line_breaks(rich: Snapshot) -> None:
    text = as_text(rich)

    back = read_export(f"\n {text[:40]}\n  {text[40:]}\r\n")

    assert back.checks["a"].failures == ()
    messages = {"a": replace(back.checks["a"], failures=rich.checks["a"].failures)}
    assert replace(back, checks={**back.checks, **messages}) == rich
    assert all(letter.isalnum() or letter in "-_." for letter in text)


def test_a_text_for_the_whole_course_can_be_pasted() -> None:
    """300 exercises with two checks each, worked on over a year."""
    snapshot = Snapshot()
    for number in range(300):
        now = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=number)
        names = (f"test-some-exercise-{number}", f"test-some-exercise-{number}-edge")
        snapshot = snapshot.after(dict.fromkeys(names, FAIL), now)
        snapshot = snapshot.after(dict.fromkeys(names, PASS), now)

    assert len(as_text(snapshot)) < 30_000


def test_a_changed_text_is_told_as_such(rich: Snapshot) -> None:
    text = as_text(rich)

    for broken in (
        f"{text[:50]}{'A' if text[50] != 'A' else 'B'}{text[51:]}",
        text[:-4],
    ):
        with pytest.raises(RoadmapError, match="missing or changed: copy the whole"):
            read_export(broken)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda text: text[:-10],
        lambda text: text[:60] + text[61:],
        lambda text: text.replace(text[70], "A" if text[70] != "A" else "B", 1),
        lambda text: "hello",
        lambda text: "",
        lambda text: text.split(".")[0],
        lambda text: "{" + text,
        lambda text: "{}",
        lambda text: '{"schema": 99}',
        lambda text: '{"schema": 2, "checks": {}}',
    ],
    ids=[
        "cut off",
        "a letter lost",
        "a letter changed",
        "no export",
        "empty",
        "prefix only",
        "no JSON",
        "empty JSON",
        "newer",
        "half",
    ],
)
def test_what_is_broken_is_refused_in_one_line(rich: Snapshot, break_it) -> None:
    with pytest.raises(RoadmapError, match=r"^mine: .*; nothing was imported$") as told:
        read_export(break_it(as_text(rich)), "mine")

    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "mine.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(RoadmapError, match=r"mine\.json: "):
        read_export_file(path)


def test_passed_stays_passed_whichever_comes_last() -> None:
    older, newer = after(0, a=PASS), after(5, a=FAIL)

    for both in (merge(older, newer), merge(newer, older)):
        record = both.checks["a"]
        assert (record.passed, record.last_result) == (True, "failed")
        assert record.first_passed == older.checks["a"].first_passed
        assert [day.date.day for day in record.days] == [1, 6]
        assert [one.message for one in record.failures] == ["carts is 3"]


def test_the_full_grade_and_the_attempts_are_not_lost() -> None:
    graded = after(0, a=FAIL).after(
        {"a": Outcome(True, full=True)}, datetime(2026, 1, 2, tzinfo=UTC)
    )
    later = after(5, a=PASS)

    for both in (merge(graded, later), merge(later, graded)):
        assert both.checks["a"].full == "passed"
        assert both.checks["a"].attempts == 2


def test_importing_twice_changes_nothing(rich: Snapshot) -> None:
    mine = after(3, a=FAIL, c=PASS)

    once = merge(mine, rich)

    assert merge(once, rich) == once
    assert merge(once, mine) == once
    assert set(once.checks) == {"a", "b", "c"}
    assert once.counters["problems"] == 3
    assert once.evidence["applications"][0].what == "Ünï"


def test_ones_own_plan_wins_and_a_missing_half_is_filled(rich: Snapshot) -> None:
    mine = replace(Snapshot(), plan=Plan(None, 20))

    assert merge(mine, rich).plan == Plan(date(2026, 1, 1), 20)


def test_the_larger_number_and_all_evidence_are_kept() -> None:
    def with_problems(number: int, *names: str) -> Snapshot:
        empty = Snapshot()
        entries = tuple(Evidence(name) for name in names)
        return replace(
            empty,
            counters={**empty.counters, "problems": number},
            evidence={**empty.evidence, "problems": entries},
        )

    both = merge(with_problems(4, "a", "b"), with_problems(2, "b", "c"))

    assert both.counters["problems"] == 4
    assert [one.what for one in both.evidence["problems"]] == ["a", "b", "c"]


def test_import_says_what_is_new_and_keeps_what_is_here(
    store: ProgressStore, rich: Snapshot
) -> None:
    store.record({"c": PASS})

    assert import_into(store, rich).startswith("Imported: 2 new ticks;")
    assert import_into(store, rich).startswith("Imported: no new ticks;")
    assert {n for n, r in store.read().checks.items() if r.passed} == {"a", "b", "c"}


def test_a_file_of_the_first_version_can_be_imported(store: ProgressStore) -> None:
    record = {
        "passed": True,
        "attempts": 1,
        "first_passed": "2026-01-01T12:00:00Z",
        "last": "2026-01-01T12:00:00Z",
        "last_result": "passed",
    }
    old = {
        "schema": 1,
        "checks": {"a": record},
        "counters": dict.fromkeys(Snapshot().counters, 0),
    }

    import_into(store, read_export(json.dumps(old)))

    assert store.read().checks["a"].passed


def test_the_command_exports_imports_and_shows(
    lesson_folder: Path, store: ProgressStore, tmp_path: Path, monkeypatch
) -> None:
    def roadmap(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["progress", *arguments])
        return result.exit_code, result.output

    store.record({"test-carts": PASS, "test-run": PASS})
    file = str(tmp_path / "mine.json")
    assert roadmap("export", file) == (0, f"wrote {file}\n")
    monkeypatch.setenv("ROADMAP_PROGRESS_FILE", str(tmp_path / "other.json"))

    code, output = roadmap("import", file)

    assert (code, output.split(";")[0]) == (0, "Imported: 2 new ticks")
    code, output = roadmap("show")
    assert code == 0
    assert "◐ Values and names" in output
    (tmp_path / "text").write_text(as_text(store.read()))
    assert roadmap("import", str(tmp_path / "text"))[0] == 0


def test_the_commands_errors_are_one_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text("{")
    for arguments in (["import", "broken.json"], ["import", "missing"], ["show"]):
        result = CliRunner().invoke(main, ["progress", *arguments])
        assert result.exit_code == 1
        assert result.output.count("\n") == 1
    result = CliRunner().invoke(main, ["progress", "export", "no/such/folder.json"])
    assert (result.exit_code, "cannot be written" in result.output) == (1, True)


def test_the_exported_file_is_what_the_store_keeps(
    store: ProgressStore, tmp_path: Path
) -> None:
    snapshot = store.record({"a": PASS})
    write_export(tmp_path / "mine.json", snapshot)

    assert (tmp_path / "mine.json").read_text() == to_json(snapshot) + "\n"
