"""The file of mistakes: learners' own values find the mistake, and the file holds no test."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadmap.errors import RoadmapError
from roadmap.lessons.mistakes import MISTAKES_FILE, Mistakes, normalised, tell_apart

SORTED = "tidy([3, 1]) returned None; expected [1, 3]: sort() returns None."
COPIED = "tidy changed the list 'crates' that it was given."


def mistakes(*wrong: tuple[str, str, str], untouched: str = "") -> Mistakes:
    said = [("test-tidy", untouched)] if untouched else []
    return Mistakes({"tidy": tell_apart(wrong, said)})


def test_the_message_of_a_wrong_answer_finds_its_mistake() -> None:
    known = mistakes(
        ("test-tidy", SORTED, "returns what sort returns"),
        ("test-tidy", COPIED, "sorts the caller's list"),
    )

    assert known.why("tidy", "test-tidy", SORTED) == "returns what sort returns"
    assert known.why("tidy", "test-tidy", COPIED) == "sorts the caller's list"
    assert known.why("tidy", "test-tidy", "something else") is None
    assert known.why("tidy", "test-other", SORTED) is None
    assert known.why("other", "test-tidy", SORTED) is None


@pytest.mark.parametrize(
    "mine",
    [
        "tidy([3.5, -1, 7]) returned None; expected [1, 2]: sort() returns None.",
        'tidy(["a \'b", 1e9]) returned None; expected []: sort() returns None.'.replace(
            "[]", "[9]"
        ),
        "tidy([0x7f3a, 2])  returned\nNone; expected [1]: sort() returns None.",
    ],
    ids=["numbers", "quotes", "address and space"],
)
def test_ones_own_values_do_not_matter(mine: str) -> None:
    known = mistakes(("test-tidy", SORTED, "returns what sort returns"))

    assert known.why("tidy", "test-tidy", mine) == "returns what sort returns"


def test_an_apostrophe_opens_no_quotation_and_names_keep_their_digits() -> None:
    text = "It's p1 that isn't right, don't swap them"

    assert normalised(text) == text


def test_what_fits_two_mistakes_is_left_out_unless_their_values_differ() -> None:
    known = mistakes(
        ("test-tidy", "got 1", "counts places"),
        ("test-tidy", "got 2", "counts twice"),
        ("test-tidy", "got nothing", "prints"),
        ("test-tidy", "got nothing", "forgets to return"),
    )

    assert known.why("tidy", "test-tidy", "got 1") == "counts places"
    assert known.why("tidy", "test-tidy", "got 2") == "counts twice"
    assert known.why("tidy", "test-tidy", "got 3") is None
    assert known.why("tidy", "test-tidy", "got nothing") is None


def test_two_ways_of_one_mistake_share_its_name() -> None:
    known = mistakes(
        ("test-tidy", SORTED, "returns None: sort's result"),
        ("test-tidy", SORTED, "returns None: append's result"),
    )

    assert known.why("tidy", "test-tidy", SORTED) == "returns None"
    assert known.names("tidy") == {"returns None"}


def test_the_message_of_an_untouched_answer_is_no_mistake() -> None:
    known = mistakes(("test-tidy", SORTED, "returns None"), untouched=SORTED)

    assert known.why("tidy", "test-tidy", SORTED) is None


def test_long_messages_are_known_by_their_beginning() -> None:
    known = mistakes(("test-tidy", SORTED + "x" * 400, "returns what sort returns"))

    assert known.why("tidy", "test-tidy", SORTED + "x" * 330 + "…")


def test_the_file_reads_back_and_holds_no_message(tmp_path: Path) -> None:
    known = mistakes(("test-tidy", SORTED, "b"), ("test-tidy", COPIED, "a"))
    text = known.to_json()

    assert "tidy(" not in text
    assert text == Mistakes.from_json(text).to_json()
    index = tmp_path / "course.json"
    assert Mistakes.beside(index) == Mistakes()
    (tmp_path / MISTAKES_FILE.name).write_text(text)
    assert Mistakes.beside(index).why("tidy", "test-tidy", COPIED) == "a"


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 2}', '{"schema": 1}'])
def test_a_broken_file_is_one_line_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / MISTAKES_FILE.name).write_text(text)

    with pytest.raises(RoadmapError, match=rf"{MISTAKES_FILE.name}.*roadmap start"):
        Mistakes.beside(tmp_path / "course.json")
