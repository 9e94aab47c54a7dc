"""Which message of a check tells which mistake, as ``start_here/mistakes.json`` keeps it.

The answers files name the mistake behind each wrong answer and are never released;
this file is. It holds no message and no answer, only digests of messages, so a
learner's own message finds the mistake behind it and nobody can read the tests in it.
`roadmap audit` writes it, since it knows what each wrong answer is told.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from roadmap.errors import RoadmapError

MISTAKES_FILE = Path("start_here", "mistakes.json")
SCHEMA = 1
# Longer messages are cut when they are kept, so their beginning has to do.
COMPARED = 300
DIGITS = 8  # enough to tell the messages of one exercise apart

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_QUOTED = re.compile(r"(?<!\w)(['\"]).*?(?<!\\)\1(?!\w)")
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:0x[0-9a-f]+|\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?!\w)"
)
_SERIES = re.compile(r"0(?:, 0)+")


def name_of(why: str) -> str:
    """What a ``why`` names before its colon: the mistake, of which the rest is one way."""
    return why.partition(":")[0].strip()


def normalised(message: str) -> str:
    """``message`` without what differs from learner to learner: quoted text and numbers."""
    text = " ".join(_CONTROL.sub(" ", message).split())[:COMPARED]
    return _SERIES.sub("0", _NUMBER.sub("0", _QUOTED.sub("0", text)))


def digests(check: str, message: str) -> tuple[str, str]:
    """Digests of the message as it is, and of what is left when it is :func:`normalised`."""
    text = " ".join(_CONTROL.sub(" ", message).split())[:COMPARED]
    return _digest(f"{check}\n{text}"), _digest(f"{check}\n\n{normalised(message)}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


@dataclass(frozen=True)
class Mistakes:
    """By exercise id: the ``why`` of a wrong answer → digests of what its checks say of it."""

    by_exercise: Mapping[str, Mapping[str, tuple[str, ...]]] = field(
        default_factory=dict
    )

    def why(self, exercise: str, check: str, message: str) -> str | None:
        """The mistake behind ``message``, or None where none or several are known."""
        known = self.by_exercise.get(exercise, {})
        for digest in digests(check, message):
            for why, its in known.items():
                if digest in its:
                    return why
        return None

    def names(self, exercise: str) -> set[str]:
        """The mistakes that the exercise's checks are known to catch."""
        return {name_of(why) for why in self.by_exercise.get(exercise, {})}

    def to_json(self) -> str:
        """Deterministic text: sorted, without anything of the machine."""
        exercises = {
            exercise: {why: " ".join(sorted(its)) for why, its in known.items()}
            for exercise, known in self.by_exercise.items()
            if known
        }
        data = {"schema": SCHEMA, "exercises": exercises}
        return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def beside(cls, index: Path) -> Mistakes:
        """Those that lie beside the course's index; none where there is no such file.

        Raises:
            RoadmapError: the file is there and cannot be understood.
        """
        path = index.with_name(MISTAKES_FILE.name)
        if not path.is_file():
            return cls()
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RoadmapError(f"{path}: {error}; run `roadmap start` again") from error

    @classmethod
    def from_json(cls, text: str) -> Mistakes:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            data = json.loads(text)
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema {data['schema']!r}")
            return cls(
                {
                    exercise: {why: tuple(its.split()) for why, its in known.items()}
                    for exercise, known in data["exercises"].items()
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a file of mistakes ({error!r})") from error


def tell_apart(
    wrong: Iterable[tuple[str, str, str]], untouched: Iterable[tuple[str, str]]
) -> dict[str, tuple[str, ...]]:
    """One exercise's digests by ``why``, from (check, message, why) of its wrong answers.

    Left out is a digest that fits several mistakes, or what the checks say of an
    ``untouched`` answer cell. Ways of one mistake that share one keep its name alone.
    """
    fitting: dict[str, set[str]] = {}
    for check, message, why in wrong:
        for digest in digests(check, message):
            fitting.setdefault(digest, set()).add(why)
    for check, message in untouched:
        for digest in digests(check, message):
            fitting.pop(digest, None)
    kept: dict[str, tuple[str, ...]] = {}
    for digest, whys in fitting.items():
        names = {name_of(why) for why in whys}
        if len(names) == 1:
            why = whys.pop() if len(whys) == 1 else names.pop()
            kept[why] = (*kept.get(why, ()), digest)
    return kept
