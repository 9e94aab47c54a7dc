"""Each build rule, broken on purpose: the error names the file, the line and the way out."""

from __future__ import annotations

import pytest

from roadmap.lessons.build import build
from roadmap.lessons.problems import LessonError

from .conftest import HEADER, LESSON, SOLUTION, TEST, CourseFolder

TITLE = f"{HEADER}# Adding\n"  # lines 1 to 4

BROKEN = {
    "no header": ("# Adding\n", 1, "no Jupytext header"),
    "header never closed": ("---\njupyter: {}\n# Adding\n", 1, "never closed"),
    "header without kernelspec": ("---\njupyter: {}\n---\n# A\n", 1, "no kernelspec"),
    "header is not YAML": ("---\njupyter: {{\n---\n# A\n", 1, "no kernelspec"),
    "foreign kernelspec": (LESSON.replace("name: python3", "name: ir"), 1, "'ir'"),
    "no title": (f"{HEADER}Text.\n", 4, "begins with its title"),
    "code before the title": (f"{HEADER}```python\nx = 1\n```\n", 4, "begins with its"),
    "empty lesson": (HEADER, 4, "begins with its title"),
    "fence never closed": (f"{TITLE}\n```python\nx = 1\n", 6, "never closed"),
    "unknown marker": (f'{TITLE}\n```python soluton="a"\nx\n```\n', 6, "'soluton'"),
    "unknown marker beside a known one": (
        LESSON.replace("points=2", 'points=2 difficulty="hard"'),
        17,
        "'difficulty'",
    ),
    "marker without quotes": (
        f"{TITLE}\n```python solution=add\nx\n```\n",
        6,
        "cannot read",
    ),
    "marker with one quote": (
        f'{TITLE}\n```python test="a\nx\n```\n',
        6,
        "cannot read",
    ),
    "marker in a language that is not run": (
        f'{TITLE}\n```yaml solution="a"\nx\n```\n',
        6,
        "cannot read",
    ),
    "answer and check in one cell": (
        f'{TITLE}\n```python solution="a" test="a" points=1\nx\n```\n',
        6,
        "not both",
    ),
    "id with capitals": (LESSON.replace('"add"', '"Add"'), 10, "'Add'"),
    "id with spaces": (LESSON.replace('"add"', '"a b"'), 10, "'a b'"),
    "id too long": (LESSON.replace('"add"', f'"{"a" * 57}"'), 10, "56 characters"),
    "test without solution": (f"{TITLE}\n{TEST}", 6, 'test "add" has no solution'),
    "solution without test": (f"{TITLE}\n{SOLUTION}", 6, 'solution "add" has no test'),
    "test before its solution": (f"{TITLE}\n{TEST}\n{SOLUTION}", 6, "stands before"),
    "missing points": (LESSON.replace(" points=2", ""), 17, "has no points"),
    "points that are text": (
        LESSON.replace("points=2", 'points="2"'),
        17,
        "points='2'",
    ),
    "points that are a word": (
        LESSON.replace("points=2", "points=two"),
        17,
        "cannot read",
    ),
    "negative points": (LESSON.replace("points=2", "points=-2"), 17, "points=-2"),
    "points on an answer": (
        LESSON.replace('="add"\nd', '="add" points=1\nd'),
        10,
        "only",
    ),
    "duplicate solution": (f"{LESSON}\n{SOLUTION}", 24, "is taken by"),
    "duplicate test": (f"{LESSON}\n{TEST}", 24, "is taken by"),
    "BEGIN SOLUTION without END": (
        LESSON.replace("    ### END SOLUTION\n", ""),
        12,
        "BEGIN SOLUTION without END SOLUTION",
    ),
    "END SOLUTION without BEGIN": (
        LESSON.replace("    ### BEGIN SOLUTION\n", ""),
        13,
        "END SOLUTION without BEGIN SOLUTION",
    ),
    "BEGIN SOLUTION twice": (
        LESSON.replace("    return", "    ### BEGIN SOLUTION\n    return"),
        13,
        "BEGIN SOLUTION again",
    ),
    "BEGIN HIDDEN TESTS without END": (
        LESSON.replace("### END HIDDEN TESTS\n", ""),
        19,
        "BEGIN HIDDEN TESTS without END",
    ),
    "END HIDDEN TESTS without BEGIN": (
        LESSON.replace("### BEGIN HIDDEN TESTS\n", ""),
        20,
        "END HIDDEN TESTS without BEGIN",
    ),
    "solution without marks": (
        LESSON.replace("    ### BEGIN SOLUTION\n", "").replace(
            "    ### END SOLUTION\n", ""
        ),
        10,
        "outside the marks",
    ),
    "solution marks in a plain cell": (
        f"{TITLE}\n```python\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n```\n",
        7,
        "outside a cell marked `solution=`",
    ),
    "solution marks in prose": (
        f"{TITLE}\n### BEGIN SOLUTION\n",
        6,
        "outside a cell marked `solution=`",
    ),
    "solution marks in a check": (
        LESSON.replace("### BEGIN HIDDEN TESTS", "### BEGIN SOLUTION"),
        19,
        "outside a cell marked `solution=`",
    ),
    "hidden tests in an answer": (
        LESSON.replace("    return a + b", "    ### BEGIN HIDDEN TESTS"),
        13,
        "outside a cell marked `test=`",
    ),
    "no hidden tests": (
        LESSON.replace("### BEGIN HIDDEN TESTS\n", "").replace(
            "### END HIDDEN TESTS\n", ""
        ),
        17,
        "has no hidden tests",
    ),
    "check that is not Python": (
        LESSON.replace("== 10, ", "== = 10, "),
        20,
        "test 'add' is not Python",
    ),
    "quiz that is not YAML": (
        f'{TITLE}\n```yaml quiz="q"\n- a: [\n```\n',
        7,
        "not YAML",
    ),
    "quiz without questions": (
        f'{TITLE}\n```yaml quiz="q"\n```\n',
        6,
        "a list of questions",
    ),
    "quiz question without choices": (
        f'{TITLE}\n```yaml quiz="q"\n- ask: What?\n```\n',
        6,
        "question 1 needs",
    ),
    "quiz choice without why": (
        f'{TITLE}\n```yaml quiz="q"\n- ask: What?\n  choices: [{{text: a}}]\n```\n',
        6,
        "needs `text` and `why`",
    ),
    "quiz choice that is a number": (
        f'{TITLE}\n```yaml quiz="q"\n- ask: What?\n  choices: [{{text: 3, why: b}}]\n```\n',
        6,
        "put them in quotes",
    ),
    "quiz with two right choices": (
        f'{TITLE}\n```yaml quiz="q"\n- ask: What?\n  choices:\n'
        "  - {text: a, why: b, right: true}\n  - {text: c, why: d, right: true}\n```\n",
        6,
        "exactly one",
    ),
    "quiz id with capitals": (
        f'{TITLE}\n```yaml quiz="Q"\n- ask: What?\n  choices:\n'
        "  - {text: a, why: b, right: true}\n  - {text: c, why: d}\n```\n",
        6,
        "an id is",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_author_error_names_file_and_line(course: CourseFolder, name: str) -> None:
    text, line, message = BROKEN[name]
    course.write(text)
    with pytest.raises(LessonError) as caught:
        build(course.root)
    places = [(problem.line, problem.message) for problem in caught.value.problems]
    assert any(at == line and message in said for at, said in places), places
    assert f"course/phase1_basics/01_adding.md:{line}: " in str(caught.value)
    assert course.outputs() == {}


def test_every_error_of_every_lesson_is_told_at_once(course: CourseFolder) -> None:
    course.write(LESSON.replace(" points=2", ""))
    course.write(f"{TITLE}\n{TEST}", "course/phase2_oop/02_more.md")
    with pytest.raises(LessonError) as caught:
        build(course.root)
    assert "01_adding.md:17: " in str(caught.value)
    assert "02_more.md:6: " in str(caught.value)


def test_an_id_used_in_two_lessons_names_both(course: CourseFolder) -> None:
    course.write(LESSON)
    course.write(LESSON, "course/phase2_oop/01_adding.md")
    with pytest.raises(LessonError) as caught:
        build(course.root)
    assert "course/phase2_oop/01_adding.md:10: " in str(caught.value)
    assert "course/phase1_basics/01_adding.md:10" in str(caught.value)


def test_an_answer_may_not_take_the_cell_id_of_a_check(course: CourseFolder) -> None:
    more = (SOLUTION + TEST).replace('"add"', '"test-add"')
    course.write(f"{LESSON}\n{more}")
    with pytest.raises(LessonError, match="is taken by"):
        build(course.root)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("course/phase1_basics/notes.md", "named like 03_loops.md"),
        ("course/Phase One/01_adding.md", "named like phase2_oop"),
    ],
)
def test_a_badly_named_file_is_refused(
    course: CourseFolder, path: str, message: str
) -> None:
    course.write(LESSON, path)
    with pytest.raises(LessonError, match=message):
        build(course.root)


def test_a_lesson_that_is_not_utf_8_names_the_line(course: CourseFolder) -> None:
    path = course.write(LESSON)
    path.write_bytes(LESSON.encode() + b"\ncaf\xe9\n")
    with pytest.raises(LessonError, match=r"01_adding\.md:24: not UTF-8"):
        build(course.root)


def test_code_that_is_only_shown_needs_no_marks(course: CourseFolder) -> None:
    shown = '\n```python .noeval\nx = [\n```\n\n````markdown\n```python solution="x"\n```\n````\n'
    course.write(LESSON + shown)
    build(course.root)
    notebook = course.outputs()["release/phase1_basics/01_adding.ipynb"].decode()
    assert r"```python\n" in notebook
    assert "noeval" not in notebook
    assert "roadmap_line" not in notebook
