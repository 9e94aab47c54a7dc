"""Mutants: which there are, where they stand, and what is left alone."""

from __future__ import annotations

import pytest

from roadmap.audit.mutants import Mutant, mutants, same_code, sample

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def cell(code: str) -> str:
    return f"{BEGIN}\n{code}\n{END}"


def changed(code: str, operator: str | None = None) -> set[str]:
    """The mutants' code between the marks; of one operator, if it is named."""
    return {
        mutant.source.removeprefix(f"{BEGIN}\n").removesuffix(f"\n{END}")
        for mutant in mutants(cell(code))
        if operator in (None, mutant.operator)
    }


@pytest.mark.parametrize(
    ("code", "operator", "expected"),
    [
        ("a + b", "arithmetic", {"a - b"}),
        ("(a) * (b)", "arithmetic", {"(a) + (b)", "(a) / (b)"}),
        ("a // b", "arithmetic", {"a / b"}),
        ("a ** b", "arithmetic", {"a * b"}),
        ("a += b", "assignment", {"a -= b", "a = b"}),
        ("a < b", "comparison", {"a <= b", "a >= b"}),
        ("a is not b", "comparison", {"a is b"}),
        ("a not in b", "comparison", {"a in b"}),
        ("a == b == c", "comparison", {"a != b == c", "a == b != c"}),
        ("a and b", "and, or", {"a or b"}),
        ("not a", "sign or not removed", {"a"}),
        ("x = await a()", "await removed", {"x = a()"}),
        ("x = True", "constant", {"x = False"}),
        ("x = 0", "constant", {"x = 1", "x = (-1)"}),
        ("x = 2.5", "constant", {"x = 3.5"}),
        ("x = 'ä'", "constant", {"x = 'äX'"}),
        ('x = """a"""', "constant", {'x = """aX"""'}),
        ("x = b''", "constant", {"x = b'X'"}),
        ("x = None", "constant", {"x = 0"}),
        ("x = f'{a} b'", "constant", {'x = ""'}),
        (
            "def f():\n    return a",
            "None instead of the result",
            {"def f():\n    return None"},
        ),
        ("def f():\n    return None", "None instead of the result", set()),
        ("f(a, b)", "arguments swapped", {"f(b, a)"}),
        ("f(*a, b)", "arguments swapped", set()),
        ("x = f(a)", "call removed", {"x = a"}),
        ("x = a.copy()", "call removed", {"x = a"}),
        ("x = f(a + b) * c", "call removed", {"x = (a + b) * c"}),
        ("range(n)", "boundary", {"range(n + 1)", "range(n - 1)"}),
        ("x[i:]", "boundary", {"x[i + 1:]", "x[i - 1:]"}),
        ("if a():\n    f()", "condition negated", {"if not (a()):\n    f()"}),
        ("[x for x in y if x]", "condition negated", {"[x for x in y if not (x)]"}),
        ("for a in b:\n    break", "break, continue", {"for a in b:\n    continue"}),
        (
            "try:\n    f()\nexcept OSError:\n    g()",
            "exception not caught",
            {"try:\n    f()\nexcept ():\n    g()"},
        ),
        ("@d\ndef f(): ...", "decorator removed", {"\ndef f(): ..."}),
        ("del a\nb = 1", "statement removed", {"pass\nb = 1", "del a\npass"}),
    ],
)
def test_an_operator_makes_these_mutants(
    code: str, operator: str, expected: set[str]
) -> None:
    assert changed(code, operator) == expected


def test_only_what_stands_between_the_marks_is_changed() -> None:
    source = (
        f"def f(a):\n    b = a + 1\n    {BEGIN}\n    b = a * 2\n    {END}\n    return b"
    )
    made = mutants(source)
    assert made
    assert all(
        "b = a + 1\n" in mutant.source and "return b" in mutant.source
        for mutant in made
    )
    assert {mutant.line for mutant in made} == {4}


def test_several_marked_stretches_each_have_mutants() -> None:
    source = f"{cell('a = 1')}\nb = 2\n{cell('c = 3')}"
    assert {mutant.line for mutant in mutants(source)} == {2, 6}


@pytest.mark.parametrize(
    "code",
    [
        'def f():\n    """Say 1."""',
        'assert_ok = a\nassert a, "no such thing"',
        'raise ValueError("a text")',
        "def f(a: int = b) -> 'str':\n    g()",
    ],
)
def test_docstrings_messages_and_annotations_are_left_alone(code: str) -> None:
    constants = changed(code, "constant")
    assert constants == set()


@pytest.mark.parametrize(
    "source",
    [
        f"%%writefile orders.csv\n{BEGIN}\nx = 1\n{END}",
        f"%%writefile app.py.txt\n{BEGIN}\nx = 1\n{END}",
        f"%%bash\n{BEGIN}\necho $((1 + 1))\n{END}",
        f"{BEGIN}\nSELECT 1 FROM books;\n{END}",
    ],
)
def test_what_is_no_python_has_no_mutants(source: str) -> None:
    assert mutants(source) == []


@pytest.mark.parametrize(
    "first",
    ["%%writefile app.py", "%%writefile -a {shop}/app.py", '%%writefile "a b.py"'],
)
def test_a_cell_that_writes_a_module_is_changed_below_its_first_line(
    first: str,
) -> None:
    top = f'{first}\n"""A module."""\nfrom __future__ import annotations\n'
    source = f"{top}{BEGIN}\nä = 7\nb = ä \\\n% 2\n{END}\nc = 4"
    made = mutants(source)
    assert all(mutant.source.startswith(top) for mutant in made)
    assert all(mutant.source.endswith("c = 4") for mutant in made)
    assert {(m.line, m.source.split(BEGIN)[1]) for m in made if "8" in m.source} == {
        (5, f"\nä = 8\nb = ä \\\n% 2\n{END}\nc = 4")
    }
    assert {m.operator for m in made} == {"statement removed", "constant", "arithmetic"}


def test_same_code_of_a_module_tells_its_file_and_no_comment() -> None:
    assert same_code("%%writefile a.py\nx = 1  # one") == same_code(
        "%%writefile a.py\nx=1"
    )
    assert same_code("%%writefile a.py\nx = 1") != same_code("%%writefile b.py\nx = 1")
    assert same_code("%%writefile a.py\nx =") is None


def test_lines_of_ipython_are_kept_as_they_are() -> None:
    made = mutants(cell("%cd data\nx = 1\n!ls -l"))
    assert {mutant.source for mutant in made if mutant.operator == "constant"} == {
        cell("%cd data\nx = 2\n!ls -l"),
        cell("%cd data\nx = 0\n!ls -l"),
    }


def test_mutants_compile_differ_from_the_reference_and_from_each_other() -> None:
    code = "def f(a, b):\n    if a < b and not b:\n        return g(a, b - 1)[a:b]\n    return -a"
    made = mutants(cell(code))
    forms = [same_code(mutant.source) for mutant in made]
    assert None not in forms
    assert len(set(forms)) == len(forms) > 15
    assert same_code(cell(code)) not in forms
    assert made == mutants(cell(code))


def test_same_code_ignores_comments_and_layout_only() -> None:
    assert same_code("a = 1  # one") == same_code("a  =  1")
    assert same_code("a = 1") != same_code("a = 2")
    assert same_code("%cd x\na = 1") != same_code("%cd y\na = 1")
    assert same_code("a =") is None


def test_a_sample_is_spread_evenly() -> None:
    made = [Mutant(line, "constant", str(line)) for line in range(100)]
    assert [mutant.line for mutant in sample(made, 4)] == [0, 25, 50, 75]
    assert sample(made, 100) == made
