"""How many hidden tests a check has: what learners are told remains."""

from __future__ import annotations

import pytest

from roadmap.lessons.notebook import count_hidden

BEGIN = "### BEGIN HIDDEN TESTS\n"
END = "### END HIDDEN TESTS\n"


@pytest.mark.parametrize(
    ("source", "hidden"),
    [
        (f"assert 1\n{BEGIN}assert 2\nassert 3\n{END}assert 4\n", 2),
        (f"assert 1\n{BEGIN}{END}", 0),
        (f"{BEGIN}for n in (1, 2):\n    assert (\n        n\n    )\n{END}", 1),
        (f"{BEGIN}with pytest.raises(KeyError):\n    ask()\n{END}", 1),
        (f"{BEGIN}with redirect_stdout(screen):\n    ask()\n{END}", 0),
        (f"{BEGIN}if bad:\n    raise AssertionError('bad')\n{END}", 1),
        (f"{BEGIN}assert await ask() == 1\n{END}", 1),
        (f"{BEGIN}assert 1\n{END}x = 1\n{BEGIN}assert 2\n{END}", 2),
    ],
    ids=["asserts", "none", "loop", "raises", "with", "raise", "await", "two parts"],
)
def test_hidden_tests_are_counted(source: str, hidden: int) -> None:
    assert count_hidden(source) == hidden
