"""Negative twins: honest answers fail them, whatever passes always is caught."""

from __future__ import annotations

import ast
import contextlib
import dis
import random
import re
import sys
import unittest
from typing import Any

import pytest

from roadmap.grading.proof.condition import other_value
from roadmap.grading.proof.twin import twins

CHECKS = {
    "equal": "assert answer() == 3",
    "equal, expected first": "assert 3 == answer()",
    "equal to a name": "expected = 3\nassert answer() == expected",
    "not equal": "assert answer() != 4",
    "less": "assert answer() < 4",
    "at most": "assert answer() <= 3",
    "more": "assert answer() > 2",
    "at least": "assert answer() >= 3",
    "between": "assert 2 < answer() < 4",
    "in": "assert answer() in [1, 2, 3]",
    "not in": "assert answer() not in [1, 2]",
    "type": "assert type(answer()) is int",
    "identity": "assert answer() is not None",
    "truth": "assert answer()",
    "call": "assert isinstance(answer(), int)",
    "not": "assert not answer() - 3",
    "and": "assert type(answer()) is int and answer() == 3",
    "or": "assert answer() == 4 or answer() == 3",
    "in a loop": "for n in range(3):\n    assert answer() == 3, n",
    "in a function": "def check():\n    assert answer() == 3\ncheck()",
    "expected text": "expected = ['a']\nassert ['a'] * (answer() - 2) == expected",
    "name used twice": "expected = 3\nexpected = 3\nassert answer() == expected",
    "two calls": "assert answer() == answer()",
    "nose's assert_equal": "assert_equal(answer(), 3)",
    "unittest's assertEqual": "case.assertEqual(3, answer())",
    "unittest's assertTrue": "case.assertTrue(answer() == 3, 'no')",
    "unittest's assertFalse": "case.assertFalse(answer() == 4)",
    "unittest's assertAlmostEqual": "case.assertAlmostEqual(answer(), 3.0)",
    "in a with": "import contextlib\nwith contextlib.nullcontext():\n    assert answer() == 3",
    "pytest's raises": "with pytest.raises(ZeroDivisionError):\n    1 / (answer() - 3)",
    "pytest's raises with a match": (
        "with pytest.raises(ZeroDivisionError, match='zero') as caught:\n"
        "    1 / (answer() - 3)"
    ),
    "unittest's assertRaises": (
        "case.assertRaises(ZeroDivisionError, lambda: 1 / (answer() - 3))"
    ),
    "unittest's assertRaises in a with": (
        "with case.assertRaises(ZeroDivisionError):\n    1 / (answer() - 3)"
    ),
    "list": "assert [answer()] == [3]",
    "within": "assert abs(answer() - 3.1) < 0.5",
    "within, bound first": "assert 0.5 >= abs(3.1 - answer())",
    "within a share": "expected = 3.1\nassert abs(answer() - expected) / expected <= 0.1",
    "within, of a name": "expected = 3.1\nassert abs(answer() - expected) < 0.1 * 5",
    "within, of what is worked out": "a = 3\nassert abs(answer() - a * 1.01) < 0.2 * a",
    "within, of decimals": (
        "from decimal import Decimal\n"
        "assert abs(answer() - Decimal('3.1')) < Decimal('0.5')"
    ),
    "isclose": "import math\nassert math.isclose(answer(), 3.0)",
    "isclose, of a name": "import math\nexpected = 3.0\nassert math.isclose(answer(), expected)",
    "approx": "assert answer() == pytest.approx(3.0)",
    "approx of a name": "expected = 3.0\nassert pytest.approx(expected) == answer()",
    "if: raise": "if answer() != 3:\n    raise ValueError('not 3')",
    "if not: raise": "for n in (3, 3):\n    if not answer() == n:\n        raise ValueError(n)",
    "if or: raise": "if answer() is None or answer() != 3:\n    raise ValueError('not 3')",
    "if and: raise": "if answer() != 3 and answer() != 4:\n    raise ValueError('not 3')",
    "if not within: raise": (
        "expected = 3.1\nif abs(answer() - expected) > 0.5:\n    raise ValueError('no')"
    ),
    "try, else: raise": (
        "try:\n    1 / (answer() - 3)\nexcept ZeroDivisionError:\n    pass\n"
        "else:\n    raise AssertionError('no error')"
    ),
    "unittest's, of a name": "expected = 3\ncase.assertEqual(answer(), expected)",
    "unittest's, of what is worked out": "a = 1\ncase.assertEqual(answer(), 2 + a)",
    "dict": "assert {'a': answer()} == {'a': 3}",
    "text": "assert str(answer()) == '3'",
}


CASE = unittest.TestCase()
GIVEN = {"case": CASE, "assert_equal": CASE.assertEqual, "pytest": pytest}


PASSED = None


def result(source: str, answer: Any) -> Exception | None:
    """The exception that ended the cell, if one did."""
    try:
        exec(source, {"answer": answer, **GIVEN})  # noqa: S102
    except Exception as error:
        return error
    return PASSED


def twin(source: str, seed: int = 1) -> str:
    """The negative twin."""
    made = twins(source, random.Random(seed))
    assert made is not None
    return made.negative


@pytest.mark.parametrize("name", CHECKS)
def test_an_honest_answer_passes_the_check_and_fails_its_twin(name: str) -> None:
    space = {"answer": lambda: 3, **GIVEN}
    exec(CHECKS[name], space)  # noqa: S102
    assert isinstance(result(twin(CHECKS[name]), lambda: 3), AssertionError)


@pytest.mark.parametrize("name", CHECKS)
def test_an_honest_answer_passes_the_positive_twin_and_a_wrong_one_does_not(
    name: str,
) -> None:
    made = twins(CHECKS[name], random.Random(1))
    assert made is not None
    assert result(made.positive, lambda: 3) is PASSED
    assert result(made.positive, lambda: "Emma") is not PASSED or name in ANYTHING_GOES


# What "Emma" passes as well, and membership, whose positive twin asks for less.
ANYTHING_GOES = {
    *("not equal", "not in", "identity", "truth", "two calls", "in"),
    "unittest's assertFalse",
}


@pytest.mark.parametrize("name", CHECKS)
def test_twins_look_alike(name: str) -> None:
    """But for the values and the operators, which a submission would have to judge."""
    made = twins(CHECKS[name], random.Random(1))
    assert made is not None
    kinds = [
        [type(node) for node in ast.walk(ast.parse(source)) if not _is_value(node)]
        for source in made
    ]
    assert kinds[0] == kinds[1]


def _is_value(node: ast.AST) -> bool:
    """Lists that are compared with are longer in one of them."""
    return isinstance(node, (ast.Constant, ast.cmpop, ast.boolop))


class AlwaysEqual:
    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Agreeable(int):
    """A number that every comparison agrees with."""

    def _yes(self, other: object) -> bool:
        return True

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _yes  # type: ignore[assignment]
    __hash__ = int.__hash__


@pytest.mark.parametrize(
    "name",
    [
        *("equal", "equal, expected first", "equal to a name", "in", "in a loop"),
        *("approx", "approx of a name", "if not: raise", "unittest's, of a name"),
    ],
)
def test_an_object_that_equals_everything_passes_the_twin(name: str) -> None:
    assert result(twin(CHECKS[name]), AlwaysEqual) is PASSED


@pytest.mark.parametrize(
    "name", ["less", "at most", "more", "at least", "equal", "not equal"]
)
def test_a_number_that_agrees_with_every_comparison_passes_the_twin(name: str) -> None:
    assert result(twin(CHECKS[name]), lambda: Agreeable(7)) is PASSED


class Near(float):
    """A number whose distance to any other is nothing, and less and more than any."""

    def _nothing(self, other: object) -> float:
        return 0.0

    def _yes(self, other: object) -> bool:
        return True

    __sub__ = __rsub__ = _nothing  # type: ignore[assignment]
    __lt__ = __gt__ = _yes  # type: ignore[assignment]


@pytest.mark.parametrize(
    "name",
    [
        *(
            name
            for name in CHECKS
            if "within" in name and name != "within, of decimals"
        ),
        *("less", "more", "between"),
    ],
)
def test_a_number_that_is_near_to_everything_passes_the_twin(name: str) -> None:
    assert result(CHECKS[name], lambda: Near(7)) is PASSED
    assert result(twin(CHECKS[name]), lambda: Near(7)) is PASSED


def test_a_distance_that_was_patched_away_passes_the_twin() -> None:
    source = f"abs = lambda _: 0\n{twin(CHECKS['within'])}"
    assert result(source, lambda: 8) is PASSED


def test_an_answer_read_off_the_callers_names_passes_the_twin() -> None:
    def thief() -> Any:
        return sys._getframe(1).f_globals["expected"]

    check = "expected = 3\ngot = answer()\nassert got == expected"
    exec(check, {"answer": thief})  # noqa: S102
    assert result(twin(check), thief) is PASSED


WHERE_EXPECTED = {
    "a name bound twice": "expected = 4\nexpected = 3\ngot = answer()\nassert got == expected",
    "a name bound to what is worked out": "expected = sum([1, 2])\nassert answer() == expected",
    "a loop": (
        "for given, expected in [('a', 3), ('b', 3)]:\n    got = answer()\n"
        "    assert got == expected, f'{given} {expected}'"
    ),
    "a loop over a name": (
        "cases = [(1, 3), (2, 1 + 2)]\nfor number, expected in cases:\n"
        "    assert expected == answer()"
    ),
    "a loop over one's values": "for expected in (3, 3):\n    assert answer() == expected",
    "a loop over pairs": (
        "for given, expected in {'a': 3}.items():\n    assert answer() == expected"
    ),
    "a tolerance": "expected = 3.1\nassert abs(answer() - expected) < 0.5",
    "isclose": (
        "import math\nfor expected in (3.0, 3.0):\n"
        "    assert math.isclose(answer(), expected)"
    ),
    "approx": "expected = 3.0\nassert answer() == pytest.approx(expected)",
    "assertEqual": "expected = 3\ncase.assertEqual(answer(), expected)",
    "if: raise": (
        "expected = 3\nif answer() != expected:\n    raise AssertionError('no')"
    ),
    "a loop that asks first what is honest": (
        "for given, expected in [(list('a'), 3)]:\n    got = answer()\n"
        "    assert got is not None\n    assert got == expected\n    assert given == ['a']"
    ),
}


@pytest.mark.parametrize("check", WHERE_EXPECTED.values(), ids=WHERE_EXPECTED)
def test_what_is_expected_is_changed_where_it_arises(check: str) -> None:
    def thief() -> Any:
        return sys._getframe(1).f_globals["expected"]

    assert result(check, thief) is PASSED
    made = twins(check, random.Random(1))
    assert made is not None
    assert result(made.negative, thief) is PASSED
    assert result(made.positive, lambda: 3) is PASSED
    assert isinstance(result(made.negative, lambda: 3), AssertionError)
    assert isinstance(result(made.positive, lambda: 4), AssertionError)


HONEST_BESIDE = {
    "a type": "assert isinstance(answer(), int)\nassert answer() == 3",
    "something": "got = answer()\nassert got is not None\nassert got == 3",
    "after it": "assert answer() == 3\nassert type(answer()) is not bool",
    "in a loop": "for n in range(3):\n    got = answer()\n    assert got == n, n",
    "an error": (
        "with pytest.raises(ZeroDivisionError):\n    1 / 0\nassert answer() == 3"
    ),
    "unittest's": "case.assertTrue(answer() is not None)\ncase.assertEqual(answer(), 3)",
}


@pytest.mark.parametrize("check", HONEST_BESIDE.values(), ids=HONEST_BESIDE)
def test_one_forged_condition_is_enough_among_honest_ones(check: str) -> None:
    assert result(check, lambda: Agreeable(3)) is PASSED
    assert result(twin(check), lambda: Agreeable(3)) is PASSED


def test_a_condition_that_hangs_on_chance_is_not_taken_for_forged() -> None:
    """It may be false in a run with twins, which no turned condition takes for a yes."""
    for condition in ("a() < 3", "a() != 4", "a() not in [4]", "a()", "1 < a() < 3"):
        for value in (0, 2, 3, 4):
            made = twin(f"assert {condition}")
            assert result(made.replace("a()", str(value)), None) is not PASSED


def test_other_values_differ_and_are_the_same_again_with_zero() -> None:
    for value in (1, True, 2.5, 1e300, "a", b"a", [1], (1,), {"a": 1}, {1}, None):
        assert other_value(value, 11, "text") != value
        assert other_value(value, 0, "text") == value


POINTS = {
    "one by one": (
        "score = 0\nif answer() == 3:\n    score += 1\nif answer() + 1 == 4:\n"
        "    score += 1\nscore"
    ),
    "in a loop": (
        "score = 0\nfor n, expected in [(0, 3), (1, 4)]:\n"
        "    if answer() + n == expected:\n        score += 1\nscore"
    ),
    "taken off": (
        "score = 2\nfor n, expected in [(0, 3), (1, 4)]:\n"
        "    if answer() + n != expected:\n        score -= 1\nscore"
    ),
    "a sum": "sum(answer() + n == n + 3 for n in range(2))",
    "in one line": "(answer() == 3) + (abs(answer() + 1 - 3.9) < 0.5)",
    "after an assert": "assert answer() is not None\n2 * (answer() == 3)",
    "by steps": (
        "score = n = 0\nwhile n != 2:\n    n += 1\n    score += answer() == 3\nscore"
    ),
}


class Three(int):
    """Equal to everything and as near, whatever is added to it."""

    def _yes(self, other: object) -> bool:
        return True

    def _no(self, other: object) -> bool:
        return False

    def _three(self, other: object) -> Three:
        return self

    def __abs__(self) -> int:
        return 0

    __eq__, __ne__, __add__, __sub__ = _yes, _no, _three, _three  # type: ignore[assignment]
    __hash__ = int.__hash__


def points(source: str, answer: Any) -> Any:
    """The value of the cell's last line."""
    tree = ast.parse(source)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    space = {"answer": answer, **GIVEN}
    exec(compile(tree, "<check>", "exec"), space)  # noqa: S102
    return eval(compile(ast.Expression(last.value), "<check>", "eval"), space)  # noqa: S307


@pytest.mark.parametrize("check", POINTS.values(), ids=POINTS)
def test_points_that_were_earned_are_earned_again_and_not_from_other_values(
    check: str,
) -> None:
    assert points(check, lambda: 3) == 2
    made = twins(check, random.Random(1), 2.0)
    assert made is not None
    assert result(made.positive, lambda: 3) is PASSED
    assert isinstance(result(made.negative, lambda: 3), AssertionError)


@pytest.mark.parametrize("check", POINTS.values(), ids=POINTS)
def test_forged_points_are_given_for_other_values_too(check: str) -> None:
    assert points(check, lambda: Three(1)) == 2
    assert result(twin(check), lambda: Three(1)) is PASSED


def test_part_of_the_points_is_earned_again() -> None:
    half = iter([3, 1, 3, 1, 3, 1])
    made = twins(POINTS["in a loop"], random.Random(1), 1.0)
    assert made is not None
    assert points(POINTS["in a loop"], lambda: next(half)) == 1
    assert result(made.positive, lambda: next(half)) is PASSED
    assert isinstance(result(made.negative, lambda: next(half)), AssertionError)


def test_points_that_were_only_shown_are_not_given_again() -> None:
    for check in POINTS.values():
        made = twins(check, random.Random(1), 2.0)
        assert made is not None
        assert isinstance(result(made.positive, lambda: 5), AssertionError)


def test_points_without_a_condition_are_given_again_but_never_for_other_values() -> (
    None
):
    made = twins("answer() / 2", random.Random(1), 1.5)
    assert made is not None
    assert result(made.positive, lambda: 3) is PASSED
    assert isinstance(result(made.positive, lambda: 1), AssertionError)
    assert isinstance(result(made.negative, lambda: 3), AssertionError)


def test_a_value_that_is_no_number_is_full_marks_again() -> None:
    made = twins("assert answer() == 3\nanswer() == 3", random.Random(1), 2.0)
    assert made is not None
    assert result(made.positive, lambda: 3) is PASSED


class Vector(tuple):
    """As an honest answer may be: a tuple with an addition and an equality of its own."""

    def __add__(self, other: Any) -> Any:
        return Vector(a + b for a, b in zip(self, other, strict=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vector) and tuple(self) == tuple(other)

    __hash__ = tuple.__hash__


class OffByOne(int):
    """Right where it is asked, wrong in the operator that means the opposite."""

    def __gt__(self, other: int) -> bool:
        return int(self) >= int(other)

    __hash__ = int.__hash__


HONEST = {
    "names of builtins": (
        "all = any = list = str = type = isinstance = bool = 3\n"
        "BaseException = Exception = 3\nexpected = [1]\n"
        "with pytest.raises(ZeroDivisionError):\n    1 / 0\n"
        "assert answer() == expected[0] + 2"
    ),
    "partial credit": (
        "points = 0\nfor expected in (3, 4):\n    try:\n"
        "        assert answer() == expected\n        points += 1\n"
        "    except AssertionError:\n        pass\npoints"
    ),
    "bound in a branch": (
        "expected = False\nif answer() > 2:\n    expected = True\n"
        "assert (answer() == 3) is expected"
    ),
    "bound again": "expected = 123\nexpected %= 10\nassert answer() == expected",
    "bound in a pair": "a, expected = 2, 3\nexpected = expected\nassert answer() == expected",
    "bound later in a loop": (
        "expected = 3\nfor _ in range(2):\n    assert answer() == expected\n    expected = 3"
    ),
    "a parameter": (
        "expected = 4\ndef check(expected):\n    assert answer() == expected\ncheck(3)"
    ),
    "expected and given": "n = 7\nassert max(n for n in [n] if answer()) == n",
    "expected in a text that is given": (
        "for n in [7, 11]:\n    line = f'{n} eggs'\n"
        "    assert int(line.split()[0]) * answer() == n * 3"
    ),
    "a relative tolerance": "assert answer() * 1000 == pytest.approx(3000, rel=0.01)",
    "an absolute tolerance": "case.assertAlmostEqual(answer(), 3, delta=500)",
    "a subclass of a tuple": "assert Vector((1, 2)) + Vector((2, 1)) == Vector((3, 3))",
    "operators of one's own": "assert OffByOne(3) <= OffByOne(3)",
    "something infinite": "assert answer() * 1e999 == 1e999",
    "membership of small letters": "assert 'emma' in Small()",
}


class Small:
    def __contains__(self, word: str) -> bool:
        return word.islower()


@pytest.mark.parametrize("check", HONEST.values(), ids=HONEST)
def test_honest_work_of_any_form_passes_one_twin_and_fails_the_other(
    check: str,
) -> None:
    more = {"Vector": Vector, "OffByOne": OffByOne, "Small": Small}
    for seed in range(30):
        made = twins(check, random.Random(seed))
        assert made is not None
        with_more = {"answer": lambda: 3, **GIVEN, **more}
        exec(made.positive, dict(with_more))  # noqa: S102
        with pytest.raises((AssertionError, TypeError)):
            exec(made.negative, dict(with_more))  # noqa: S102


def test_a_name_like_a_builtins_hides_no_forged_condition() -> None:
    for name in ("any", "all", "bool", "isinstance"):
        source = f"{name} = 0\n{twin('assert answer() == 3')}"
        assert result(source, AlwaysEqual) is PASSED


def test_an_answer_read_off_the_callers_constants_passes_the_twin() -> None:
    """It gives the number that the line which calls it compares with."""

    def thief() -> Any:
        frame = sys._getframe(1)
        ops = [
            op for op in dis.get_instructions(frame.f_code) if op.offset > frame.f_lasti
        ]
        return next(op.argval for op in ops if op.opname == "LOAD_CONST")

    check = "assert answer() == 3"
    exec(check, {"answer": thief})  # noqa: S102
    assert result(twin(check), thief) is PASSED


def test_only_hidden_tests_are_turned_where_there_are_some() -> None:
    source = (
        "assert answer() == 3\n### BEGIN HIDDEN TESTS\nassert answer() < 9\n"
        "### END HIDDEN TESTS\nassert answer() > 1"
    )
    made = twin(source)
    assert "assert answer() == 3" in made
    assert made.count(".append(") == 1
    assert "assert answer() > 1" in made
    assert isinstance(result(made, lambda: 3), AssertionError)


def test_an_answer_that_meets_no_condition_fails_the_twin() -> None:
    made = twin("for n in answer():\n    assert n == 3")
    assert isinstance(result(made, lambda: []), AssertionError)


def test_dropped_asserts_pass_the_twin() -> None:
    made = re.sub(r"(?m)^( *)assert .*", r"\1pass", twin(CHECKS["equal"]))
    assert "assert" not in made
    assert result(made, lambda: 4) is PASSED


def test_an_equality_that_was_patched_away_passes_the_twin() -> None:
    source = twin("assert_equal(answer(), 3)").replace(
        "assert_equal", "(lambda *_: None)"
    )
    assert result(source, lambda: 4) is PASSED


def test_raises_that_was_patched_away_passes_the_twin() -> None:
    source = twin(CHECKS["pytest's raises"]).replace(
        "pytest.raises", "(lambda *_: contextlib.nullcontext())"
    )
    space = "import contextlib\n" + source
    assert result(space, lambda: 4) is PASSED


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x = 1",
        "case.assertNotEqual(answer(), 4)",
        "not python (",
        "answer()\nprint('done')",
    ],
)
def test_a_cell_without_conditions_has_no_twin(source: str) -> None:
    assert twins(source, random.Random(1)) is None


def test_each_side_is_evaluated_once() -> None:
    calls = []

    def answer() -> int:
        calls.append(1)
        return 3

    with contextlib.suppress(AssertionError):
        exec(twin("assert answer() == 3"), {"answer": answer})  # noqa: S102
    assert len(calls) == 1


def test_names_and_values_differ_from_twin_to_twin() -> None:
    assert twin(CHECKS["equal"], 1) != twin(CHECKS["equal"], 2)


# Code before which nothing can be believed that asks `==`, `<` or how far away something is.
FORGER = """
class N(float):
    _yes = lambda self, other: True
    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = _yes
    __ne__ = lambda self, other: False
    __sub__ = __rsub__ = lambda self, other: 0.0
    __hash__ = None
"""
ALL = "def f(x): return N(7)"
SOME = "def f(x): return 1 if x == 1 else N(7)"
LIST = "def f(x): return [N(7), N(7)]"
SQUARE = "def f(x): return x * x"
# A check, honest code, code that forges some of it.
FORMS = {
    "comparisons joined by and, for points": (
        "score = 0\nif f(1) == 1 and f(2) == 4 and f(3) == 9:\n    score += 3\nscore",
        *(SQUARE, SOME),
    ),
    "a comparison in the branch of another": (
        "score = 0\nif f(1) == 1:\n    score += 1\n    if f(2) == 4:\n        score += 1\nscore",
        *(SQUARE, SOME),
    ),
    "a chain of elif": (
        "score = 0\nif f(1) != 1:\n    score = 0\nelif f(2) != 4:\n    score = 1\n"
        "else:\n    score = 2\nscore",
        *(SQUARE, SOME),
    ),
    "a loop that stops at what is wrong": (
        "score = 0\nfor x, y in [(1, 1), (2, 4)]:\n    if f(x) != y:\n        break\n"
        "    score += 1\nscore",
        *(SQUARE, SOME),
    ),
    "a sum in a condition": (
        "2 if sum(f(x) == y for x, y in [(1, 1), (2, 4)]) == 2 else 0",
        *(SQUARE, ALL),
    ),
    "a guard": (
        "r = f(2)\nscore = 0\nif len(r) == 2 and r[0] == 3.5:\n    score += 1\nscore",
        *("def f(x): return [3.5, 1]", LIST),
    ),
    "a helper that recurs": (
        "def right(n):\n    return 1 if n == 0 else n * right(n - 1)\n"
        "def test():\n    for n in (3, 5):\n        assert f(n) == right(n)\ntest()",
        *("import math\nf = math.factorial", ALL),
    ),
    "a helper that loops": (
        "def right(n):\n    while True:\n        if n == 1:\n            return 1\n"
        "        n -= 1\ndef test():\n    assert f(6) == right(6)\ntest()",
        *("def f(x): return 1", ALL),
    ),
    "a loop of the check's own": (
        "score = 0\nfor n in range(3_000):\n    if n == 5:\n        continue\n"
        "    if n % 1_000 == 0:\n        score += f(n) == n * n\nscore",
        *(SQUARE, ALL),
    ),
    "all": ("assert all(f(x) == y for x, y in [(1, 1), (2, 4)])", SQUARE, SOME),
    "all within": (
        "assert all(abs(f(x) - y) < 0.1 for x, y in [(1, 1), (2, 4)])",
        *(SQUARE, SOME),
    ),
    "if not all: raise": (
        "if not all(f(x) == x * x for x in (1, 2)):\n    raise ValueError",
        *(SQUARE, SOME),
    ),
    "or": ("assert f(2) == 4 or f(2) == -4", SQUARE, ALL),
    "is True": ("assert (abs(f(2) - 4) < 0.1) is True", SQUARE, ALL),
    "the largest distance": (
        "assert max(abs(f(x) - x * x) for x in (1, 2)) < 0.1",
        *(SQUARE, None),
    ),
    "a list of answers": ("assert [f(1), f(2)] == [1, 4]", SQUARE, ALL),
    "a list within": ("assert [f(1), f(2)] == pytest.approx([1, 4])", SQUARE, ALL),
    "a dict of answers": (
        "assert {x: f(x) for x in (1, 2)} == {1: 1, 2: 4}",
        *(SQUARE, ALL),
    ),
    "a last line that wants an error": (
        "assert f(2) == 4\npytest.raises(ValueError, f, -1)",
        "def f(x):\n    if x < 0:\n        raise ValueError\n    return x * x",
        "def f(x):\n    if x < 0:\n        raise ValueError\n    return N(7)",
    ),
    "the error that was wanted": (
        "with pytest.raises(ValueError) as caught:\n    f(-1)\n"
        "assert 'no' in str(caught.value)\nassert f(2) == 4",
        "def f(x):\n    if x < 0:\n        raise ValueError('no')\n    return x * x",
        "def f(x):\n    if x < 0:\n        raise ValueError('no')\n    return N(7)",
    ),
    "what no other value can be asked of": (
        "from datetime import date, timedelta\n"
        "assert abs(date(2024, 1, f(1)) - date(2024, 1, 1)) < timedelta(2)\n"
        "assert abs(f(2) - 4) < 0.1",
        *(SQUARE, SOME),
    ),
    "numbers without end": (
        "assert f(2) < 1e308\nassert f(2) < 1e999\nassert [f(2), 1e999] == [4, 1e999]\n"
        "assert f(3) == 9",
        *(SQUARE, ALL.replace("return", "return 4 if x == 2 else")),
    ),
    "a great tolerance": ("assert abs(f(2) - 4) < 50_000", SQUARE, ALL),
    "a visible and a hidden test of one name": (
        "expected = 4\nassert abs(f(2) - expected) < 0.5\n### BEGIN HIDDEN TESTS\n"
        "assert abs(f(2) - expected) < 0.1\nassert f(3) == 9\n### END HIDDEN TESTS",
        *(SQUARE, "def f(x): return 4 if x == 2 else N(7)"),
    ),
    "if: raise, elif: raise": (
        "if f(1) != 1:\n    raise ValueError(1)\nelif f(2) != 4:\n    raise ValueError(2)",
        *(SQUARE, SOME),
    ),
    "if: else: raise": (
        "if f(2) == 4:\n    print('ok')\nelse:\n    raise ValueError",
        *(SQUARE, ALL),
    ),
    "if: raise in a function": (
        "def check(x, y):\n    if f(x) != y:\n        raise AssertionError(x)\ncheck(2, 4)",
        *(SQUARE, ALL),
    ),
    "if equal: raise": (
        "if f(2) == 5:\n    raise ValueError\nassert f(2) == 4",
        *(
            SQUARE,
            "def f(x, n=[]):\n    n.append(1)\n    return 1 if len(n) == 1 else N(7)",
        ),
    ),
    "if beyond: raise": (
        "if f(2) < 3 or f(2) > 5:\n    raise ValueError",
        SQUARE,
        "class M(float):\n    __lt__ = __gt__ = lambda self, other: False\n"
        "def f(x): return M(7)",
    ),
    "compared before": ("got = f(2) == 4\nassert got", SQUARE, ALL),
    "a list of outcomes": (
        "results = [f(x) == x * x for x in (1, 2)]\nassert all(results)",
        *(SQUARE, SOME),
    ),
    "a list of errors": (
        "errors = []\nfor x in (1, 2):\n    if f(x) != x * x:\n        errors.append(x)\n"
        "assert not errors",
        *(SQUARE, SOME),
    ),
    "a function that gives points": (
        "def grade():\n    score = 0\n    if f(1) == 1:\n        score += 1\n"
        "    if f(2) == 4:\n        score += 1\n    return score\ngrade()",
        *(SQUARE, SOME),
    ),
    "a function that gives a verdict": (
        "def test():\n    if f(2) != 4:\n        return False\n    return True\nassert test()",
        *(SQUARE, ALL),
    ),
    "a function of pytest's": ("if f(2) != 4:\n    pytest.fail('no')", SQUARE, ALL),
    "sets of sets": (
        "assert f(1) == {frozenset(), frozenset({1})}",
        *("def f(x): return {frozenset(), frozenset({x})}", ALL),
    ),
    "from __future__": (
        "from __future__ import annotations\nassert f(2) == 4",
        SQUARE,
        ALL,
    ),
    "hidden tests below empty lines": (
        "\n\nassert f(1) == 1\n### BEGIN HIDDEN TESTS\nassert f(2) == 4\n"
        "### END HIDDEN TESTS",
        *(SQUARE, SOME),
    ),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_forms_of_checks(form: tuple[str, str, str | None]) -> None:
    """Honest code passes one twin and fails the other; code that forges some passes both."""
    check, honest, forging = form
    for seed in range(5):
        made = twins(check, random.Random(seed))
        assert made is not None
        assert ended(honest, made.positive) is PASSED
        assert isinstance(ended(honest, made.negative), AssertionError)
        if forging is not None:
            assert ended(FORGER + forging, check) is PASSED
            assert ended(FORGER + forging, made.positive) is PASSED
            assert ended(FORGER + forging, made.negative) is PASSED


def ended(answer: str, check: str) -> Exception | None:
    """The exception that ended the check's cell below the answer's, if one did."""
    space: dict[str, Any] = dict(GIVEN)
    exec(answer, space)  # noqa: S102
    try:
        exec(check, space)  # noqa: S102
    except Exception as error:
        return error
    return PASSED


# A check that gives points or tries several things, and an honest answer that is half right.
HALVES = {
    "truths": (
        "score = 0\nfor x, want in [(2, True), (3, False), (4, True)]:\n"
        "    if f(x) == want:\n        score += 1\nscore",
        "def f(x): return True",
    ),
    "truths, by is": (
        "score = 0\nfor x, want in [(2, True), (3, False)]:\n    try:\n"
        "        assert f(x) is want\n        score += 1\n"
        "    except AssertionError:\n        pass\nscore",
        "def f(x): return True",
    ),
    "truths, by assertEqual": (
        "score = 0\nfor x, want in [(2, True), (3, False)]:\n    try:\n"
        "        case.assertEqual(f(x), want)\n        score += 1\n"
        "    except AssertionError:\n        pass\nscore",
        "def f(x): return True",
    ),
    "truths that differ": (
        "score = 0\nif f(1) != f(2):\n    score += 1\nscore",
        "def f(x): return x % 2 == 1",
    ),
    "one of two names": (
        "ok = False\nfor name in ('a', 'b'):\n    try:\n        assert f(name) == True\n"
        "        ok = True\n    except AssertionError:\n        pass\nassert ok",
        "def f(n): return n == 'a'",
    ),
    "an equality that is not written yet": (
        "score = 0\nfor a, b, same in [(1, 1, True), (1, 2, False)]:\n"
        "    if (f(a) == f(b)) is same:\n        score += 1\nscore",
        "class f:\n    def __init__(self, x): self.x = x\n"
        "    def __eq__(self, other): return True",
    ),
    "an equality of parts": (
        "assert f() == f()\nassert f(1) == f(1)",
        "class f:\n    def __init__(self, *x): self.x = x\n"
        "    def __iter__(self): return iter(self.x)\n"
        "    def __eq__(self, other): return all(a == b for a, b in zip(self, other))",
    ),
    "an exercise that is left out": (
        "score = 0\nif f(1) == True:\n    score += 1\nif abs(1) == 1:\n    score += 1\nscore",
        "def f(x): return ...",
    ),
    "true only once": (
        "assert f(1)\nassert f(1) != None",
        "class f:\n    def __init__(self, x): self.left = x\n"
        "    def __bool__(self):\n        self.left -= 1\n        return self.left >= 0",
    ),
    "a share that is shown rounded": (
        "score = 0\nfor x, y in [(1, 1), (2, 4), (3, 9)]:\n    score += f(x) == y\n"
        "round(score / 3, 2)",
        "def f(x): return x * x if x < 3 else 0",
    ),
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_honest_answers_that_are_partly_right_are_not_taken_for_forged(
    half: tuple[str, str],
) -> None:
    check, answer = half
    for seed in range(20):
        made = twins(check, random.Random(seed))
        assert made is not None
        assert ended(answer, made.positive) is PASSED
        assert isinstance(ended(answer, made.negative), AssertionError)


@pytest.mark.parametrize("modulus", [2, 7, 12, 24, 60, 256, 360])
def test_numbers_modulo_something_equal_no_other_value(modulus: int) -> None:
    answer = f"""
class Mod:
    def __init__(self, v): self.v = v
    def __eq__(self, other): return (other - self.v) % {modulus} == 0
"""
    for seed in range(20):
        made = twin(f"assert Mod({modulus} + 1) == 1\nassert Mod(0) == 0", seed)
        assert isinstance(ended(answer, made), AssertionError)


def test_a_value_that_ipython_does_not_show_gives_no_points() -> None:
    assert twins("score = f(1)\nscore;", random.Random(1), 1.0) is None
    assert twins("%matplotlib inline", random.Random(1)) is None


class Array(list):
    """Compared item by item, and neither true nor false, as NumPy's."""

    def __eq__(self, other: object) -> Any:
        return Array(a == other for a in self)

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")

    def all(self) -> bool:
        return all(list(self))


@pytest.mark.parametrize("end", ["", "\n1.0"])
def test_arrays_are_compared_item_by_item_in_the_positive_twin(end: str) -> None:
    made = twins(f"assert (answer() == 3).all(){end}", random.Random(1), 1.0)
    assert made is not None
    assert result(made.positive, lambda: Array([3, 3])) is PASSED
    assert isinstance(result(made.negative, lambda: Array([3, 3])), AssertionError)


def test_a_name_that_the_answer_binds_too_is_compared_where_it_is_compared() -> None:
    answer = "result = 0\ndef f(x):\n    global result\n    result = x * x\n    return result"
    for check in (
        "result = 4\nassert f(2) == result",
        "for x, result in [(1, 1), (2, 4)]:\n    assert f(x) == result",
    ):
        made = twins(check, random.Random(1), 0.0, {"result"})
        assert made is not None
        assert ended(answer, made.positive) is PASSED
        assert isinstance(ended(answer, made.negative), AssertionError)
        assert ended(FORGER + ALL, made.negative) is PASSED
