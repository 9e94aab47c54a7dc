"""What is known of a learner, as data: each check's runs, the plan, the evidence.

Also how it is written as JSON and read again: the progress file, an exported file
and a pasted text all hold this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Literal

SCHEMA = 2
COUNTERS = ("problems", "projects", "github_profile", "applications")

MESSAGE_LIMIT = 400
KEPT_FAILURES = 5  # different messages of one check
KEPT_CHECK_DAYS = 30  # days on which one check was run
KEPT_DAYS = 400  # days on which anything was run
KEPT_EVIDENCE = 1000
TEXT_LIMIT = 300
HOURS = (0.5, 80.0)  # a week, from … to

_FORMER_RECORD = ("passed", "attempts", "first_passed", "last", "last_result")
_LINK = re.compile(r"https?://\S+", re.IGNORECASE)


@dataclass(frozen=True)
class Outcome:
    """One run of a check.

    ``message`` is what a failed check said, None where it passed or where there is
    no answer to judge yet. ``full`` tells that hidden tests were included, as in
    ``roadmap check``.
    """

    passed: bool
    message: str | None = None
    full: bool = False


@dataclass(frozen=True)
class Day:
    """How many runs passed and failed on one day, the learner's own (not UTC)."""

    date: date
    passed: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Failure:
    """A message that a check gave, how often, and on which day last."""

    message: str
    last: date
    times: int = 1


@dataclass(frozen=True)
class CheckRecord:
    """How one check cell has gone so far.

    ``passed`` says whether it *ever* passed: a later failing run (a new idea
    tried out, a kernel just restarted) takes nothing away. ``last_result`` is
    the newest run's, ``full`` that of the newest run with hidden tests, or None.
    ``attempts`` counts all runs, ``in_a_row`` the passes since the last failure.
    Times are UTC, ISO 8601. ``days`` and ``failures`` are the latest ones, oldest
    first; a run without an answer is in neither.
    """

    passed: bool
    attempts: int
    first_passed: str | None
    last: str
    last_result: Literal["passed", "failed"]
    full: Literal["passed", "failed"] | None = None
    in_a_row: int = 0
    days: tuple[Day, ...] = ()
    failures: tuple[Failure, ...] = ()

    @classmethod
    def after(
        cls, before: CheckRecord | None, outcome: Outcome, now: datetime
    ) -> CheckRecord:
        """The record after one more run; ``now`` is in the learner's time zone."""
        old = before or cls(False, 0, None, "", "failed")
        stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        result: Literal["passed", "failed"] = "passed" if outcome.passed else "failed"
        failures = old.failures
        if outcome.message is not None and not outcome.passed:
            failures = _with_failure(failures, outcome.message, now.date())
        return cls(
            passed=outcome.passed or old.passed,
            attempts=old.attempts + 1,
            first_passed=old.first_passed or (stamp if outcome.passed else None),
            last=stamp,
            last_result=result,
            full=result if outcome.full else old.full,
            in_a_row=old.in_a_row + 1 if outcome.passed else 0,
            days=(
                with_run(old.days, now.date(), outcome.passed)[-KEPT_CHECK_DAYS:]
                if is_work(before, outcome)
                else old.days
            ),
            failures=failures,
        )


@dataclass(frozen=True)
class Plan:
    """When the learner began and the hours a week they have, each None until said."""

    start: date | None = None
    hours: float | None = None


@dataclass(frozen=True)
class Evidence:
    """One thing done outside the course.

    ``what`` is a problem's title, a project's name or a company; ``detail`` a role;
    ``link`` a web address; ``day`` when it was. All but ``what`` may be empty.
    """

    what: str
    detail: str = ""
    link: str = ""
    day: date | None = None


@dataclass(frozen=True)
class Snapshot:
    """The progress at one moment; ``notice`` is a line the person should see, or None.

    ``counters`` are the numbers typed in; :meth:`count` also knows the evidence.
    ``days`` sums the runs of all checks, oldest day first.
    """

    checks: Mapping[str, CheckRecord] = field(default_factory=dict)
    counters: Mapping[str, int] = field(
        default_factory=lambda: dict.fromkeys(COUNTERS, 0)
    )
    evidence: Mapping[str, tuple[Evidence, ...]] = field(
        default_factory=lambda: dict.fromkeys(COUNTERS, ())
    )
    plan: Plan = Plan()
    days: tuple[Day, ...] = ()
    notice: str | None = None

    def count(self, counter: str) -> int:
        """The number typed in, or that of the evidence if there is more of it."""
        return max(self.counters[counter], len(self.evidence[counter]))

    def after(self, outcomes: Mapping[str, Outcome], now: datetime) -> Snapshot:
        """The progress after one more run of each check in ``outcomes``."""
        checks, days = dict(self.checks), self.days
        for name, outcome in outcomes.items():
            before = checks.get(name)
            if (
                before is None
                and outcome.full
                and not (outcome.passed or outcome.message)
            ):
                continue  # `roadmap check` judges exercises that nobody has begun, too
            if is_work(before, outcome):
                days = with_run(days, now.date(), outcome.passed)[-KEPT_DAYS:]
            checks[name] = CheckRecord.after(before, outcome, now)
        return replace(self, checks=checks, days=days)


def is_work(before: CheckRecord | None, outcome: Outcome) -> bool:
    """Whether a run counts as something done that day.

    `roadmap check` runs all there is, again and again: of its runs only those count
    that pass a check for the first time. Nor does a run without an answer.
    """
    if outcome.full:
        return outcome.passed and not (before and before.passed)
    return outcome.passed or outcome.message is not None


def with_run(days: tuple[Day, ...], day: date, passed: bool) -> tuple[Day, ...]:
    """``days`` with one more run; a clock put back does not put days out of order."""
    runs = {one.date: one for one in days}
    one = runs.get(day, Day(day))
    runs[day] = Day(day, one.passed + passed, one.failed + (not passed))
    return tuple(runs[day] for day in sorted(runs))


def _with_failure(
    failures: tuple[Failure, ...], message: str, day: date
) -> tuple[Failure, ...]:
    text = clip(message, MESSAGE_LIMIT)
    times = sum(one.times for one in failures if one.message == text)
    others = [one for one in failures if one.message != text]
    return (*others, Failure(text, day, times + 1))[-KEPT_FAILURES:]


def clip(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters, with an ellipsis where some are cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def to_json(snapshot: Snapshot, indent: int | None = 1) -> str:
    """The whole of ``snapshot``, without its notice; on one line if ``indent`` is None."""
    data = {
        "schema": SCHEMA,
        "checks": {n: asdict(r) for n, r in sorted(snapshot.checks.items())},
        "counters": dict(snapshot.counters),
        "evidence": {n: [asdict(e) for e in es] for n, es in snapshot.evidence.items()},
        "plan": asdict(snapshot.plan),
        "days": [asdict(day) for day in snapshot.days],
    }
    return json.dumps(data, indent=indent, ensure_ascii=False, default=date.isoformat)


def from_json(text: str) -> Snapshot:
    """Read what :func:`to_json` wrote, now or in an earlier version of the course.

    Raises:
        ValueError: it is something else; the message says what.
    """
    try:
        data = json.loads(text)
        schema = data["schema"]
        if isinstance(schema, int) and schema > SCHEMA:
            raise ValueError(
                f"written by a newer version of the course (schema {schema})"
            )
        if schema == 1:
            data = _from_schema_1(data)
        elif schema != SCHEMA:
            raise ValueError(f"not a progress file (schema {schema!r})")
        return Snapshot(
            {name: _check_record(record) for name, record in data["checks"].items()},
            {name: _count(data["counters"][name]) for name in COUNTERS},
            {name: _evidence(data["evidence"][name]) for name in COUNTERS},
            plan(data["plan"]["start"], data["plan"]["hours"]),
            tuple(_day(day) for day in data["days"])[-KEPT_DAYS:],
        )
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


def plan(start: str | None, hours: float | None) -> Plan:
    """A plan from JSON's own types.

    Raises:
        ValueError: ``start`` is no date, or ``hours`` not 0.5 to 80.
        TypeError: they are of other types.
    """
    if hours is not None and not HOURS[0] <= hours <= HOURS[1]:
        raise ValueError(f"{hours:g} hours a week; give {HOURS[0]:g} to {HOURS[1]:g}")
    return Plan(_date(start), hours)


def _from_schema_1(data: dict[str, Any]) -> dict[str, Any]:
    """Schema 1 had no days, messages, evidence and plan: its passes are as good as one day's."""
    days: tuple[Day, ...] = ()
    checks = {}
    for name, record in data["checks"].items():
        checks[name] = {key: record[key] for key in _FORMER_RECORD}
        ran = [(record["first_passed"], True)] if record["first_passed"] else []
        if record["last_result"] == "failed":
            ran.append((record["last"], False))
        mine: tuple[Day, ...] = ()
        for stamp, passed in ran:
            day = datetime.fromisoformat(stamp).astimezone().date()
            mine, days = with_run(mine, day, passed), with_run(days, day, passed)
        checks[name] |= {
            "full": None,
            "in_a_row": int(record["last_result"] == "passed"),
            "days": [_plain(day) for day in mine],
            "failures": [],
        }
    return {
        "checks": checks,
        "counters": data["counters"],
        "evidence": dict.fromkeys(COUNTERS, ()),
        "plan": {"start": None, "hours": None},
        "days": [_plain(day) for day in days],
    }


def _plain(day: Day) -> dict[str, Any]:
    return asdict(day) | {"date": day.date.isoformat()}


def _check_record(data: dict[str, Any]) -> CheckRecord:
    results = ("passed", "failed")
    record = CheckRecord(**data)
    if (
        not isinstance(record.passed, bool)
        or record.last_result not in results
        or record.full not in (None, *results)
        or not isinstance(record.last, str)
        or not isinstance(record.first_passed, str | None)
    ):
        raise TypeError(f"no record of a check: {data!r:.80}")
    return replace(
        record,
        attempts=_count(record.attempts),
        in_a_row=_count(record.in_a_row),
        days=tuple(_day(day) for day in data["days"])[-KEPT_CHECK_DAYS:],
        failures=tuple(_failure(one) for one in data["failures"])[-KEPT_FAILURES:],
    )


def _failure(data: dict[str, Any]) -> Failure:
    message = clip(_text(data["message"]), MESSAGE_LIMIT)
    return Failure(message, _date_there(data["last"]), _count(data["times"]))


def _day(data: dict[str, Any]) -> Day:
    return Day(
        _date_there(data["date"]), _count(data["passed"]), _count(data["failed"])
    )


def _evidence(items: Iterable[dict[str, Any]]) -> tuple[Evidence, ...]:
    return tuple(
        evidence(one["what"], one["detail"], one["link"], _date(one["day"]))
        for one in items
    )[-KEPT_EVIDENCE:]


def evidence(
    what: str, detail: str = "", link: str = "", day: date | None = None
) -> Evidence:
    """A piece of evidence on one line each, clipped.

    Raises:
        ValueError: it says nothing, or ``link`` is no web address.
        TypeError: what should be text is not.
    """
    texts = [clip(" ".join(_text(text).split()), TEXT_LIMIT) for text in (what, detail)]
    link = _text(link).strip()
    if not texts[0] and not link:
        raise ValueError("an entry without a name and without a link")
    if link and (len(link) > TEXT_LIMIT or not _LINK.fullmatch(link)):
        raise ValueError(
            f"{clip(link, 60)!r}: give a link that begins with https:// or http://"
        )
    return Evidence(texts[0], texts[1], link, day)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no text")
    return value


def _date(value: str | None) -> date | None:
    return None if value is None else _date_there(value)


def _date_there(value: str) -> date:
    return date.fromisoformat(value)


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r:.80} is no count")
    return value
