"""The quiz: what it shows, what it says to each answer, and that it never stops a run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from roadmap.practice import quiz
from roadmap.practice.quiz import Quiz

QUESTIONS: list[dict[str, Any]] = [
    {
        "ask": "After `b = a`, what does `a < b > c` & co. name?",
        "choices": [
            {"text": "A copy of `a`", "why": "`=` copies nothing."},
            {"text": "The same object", "why": "`=` binds a name.", "right": True},
            {"text": "<b>Nothing</b>", "why": "A name is bound."},
        ],
    },
    {
        "ask": "What does `items.append(1)` return?",
        "choices": [
            {"text": "`None`", "why": "It changes the list.", "right": True},
            {"text": "The list", "why": "It changes the list & returns `None`."},
        ],
    },
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The notebook's folder, with its ``quizzes`` beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quizzes").mkdir()
    return tmp_path


def write(folder: Path, content: Any, name: str = "recap") -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "quizzes" / f"{name}.json").write_text(text, encoding="utf-8")


def shown(folder: Path, questions: list[dict[str, Any]] = QUESTIONS) -> Quiz:
    write(folder, questions)
    view = quiz("recap")
    assert view is not None
    return view


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.count("\n") == 1
    return captured.out


class Outline(HTMLParser):
    """The elements of a page with their attributes, and the text inside each kind."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "input":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.text.setdefault(tag, []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_a_question_is_a_labelled_group_of_native_radio_buttons(folder: Path) -> None:
    outline = Outline(shown(folder).value)
    assert outline.open == []
    assert (
        len(outline.all("form"))
        == len(outline.all("fieldset"))
        == len(outline.all("legend"))
    )
    assert len(outline.all("form")) == len(outline.all("button")) == 2
    radios = outline.all("input")
    assert [radio["value"] for radio in radios] == [
        "wrong",
        "right",
        "wrong",
        "right",
        "wrong",
    ]
    assert {(radio["type"], radio["name"]) for radio in radios} == {("radio", "choice")}
    assert len(outline.all("label")) == 5


def test_every_control_keeps_its_keys_from_jupyterlab(folder: Path) -> None:
    """JupyterLab looks no higher than the element in focus."""
    outline = Outline(shown(folder).value)
    controls = outline.all("input") + outline.all("button")
    assert {control.get("data-lm-suppress-shortcuts") for control in controls} == {
        "true"
    }


def test_feedback_and_score_have_polite_live_regions_that_start_empty(
    folder: Path,
) -> None:
    value = shown(folder).value
    regions = [a for _, a in Outline(value).elements if a.get("role") == "status"]
    assert [region["aria-live"] for region in regions] == ["polite"] * 3
    assert value.count('<div role="status" aria-live="polite"></div>') == 2
    assert value.count('<p role="status" aria-live="polite"></p>') == 1


def test_choices_keep_the_order_of_the_file(folder: Path) -> None:
    labels = "".join(Outline(shown(folder).value).text["label"])
    assert labels == "A)A copy of aB)The same objectC)<b>Nothing</b>A)NoneB)The list"


def test_text_is_escaped_and_only_backticks_make_elements(folder: Path) -> None:
    outline = Outline(shown(folder).value)
    assert outline.all("b") == []
    assert "".join(outline.text["legend"]).startswith(
        "1. After b = a, what does a < b > c & co."
    )
    assert outline.text["code"][:3] == ["b = a", "a < b > c", "a"]


def test_a_script_in_any_text_stays_text(folder: Path) -> None:
    attack = "`<script>x</script>` <img src=x onerror=x> \" '"
    choice = {"text": attack, "why": attack}
    question = {"ask": attack, "choices": [choice, {**choice, "right": True}]}
    outline = Outline(shown(folder, [question]).value)
    assert outline.all("script") == outline.all("img") == []
    assert "".join(outline.text["legend"]) == "1. " + attack.replace("`", "")


def test_the_plain_text_asks_without_answering(folder: Path) -> None:
    bundle = shown(folder)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == (
        "1. After `b = a`, what does `a < b > c` & co. name?\n"
        "   A) A copy of `a`\n"
        "   B) The same object\n"
        "   C) <b>Nothing</b>\n"
        "\n"
        "2. What does `items.append(1)` return?\n"
        "   A) `None`\n"
        "   B) The list\n"
        "\n"
        'To answer, give a letter for each question: quiz("recap", answers="AA")'
    )
    assert bundle["text/html"] == f"<pre>{escape(bundle['text/plain'])}</pre>"


@pytest.mark.parametrize("answers", ["BB", "b b"])
def test_answers_print_the_feedback(
    answers: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, QUESTIONS)
    assert quiz("recap", answers=answers) is None
    assert capsys.readouterr().out == (
        "1. B) Right: `=` binds a name.\n"
        "2. B) Not yet: It changes the list & returns `None`.\n"
        "1 of 2 right\n"
    )


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ("B", 'has 2 question(s): give one letter for each, such as answers="AA".'),
        ("", "has 2 question(s)"),
        ("BAA", "has 2 question(s)"),
        (["B", "A"], "has 2 question(s)"),
        ("BC", "question 2 of the quiz recap has the choices A to B, not 'C'."),
        ("?A", "question 1 of the quiz recap has the choices A to C, not '?'."),
    ],
)
def test_answers_that_do_not_fit_get_one_line(
    answers: Any, complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, QUESTIONS)
    assert quiz("recap", answers=answers) is None
    assert complaint in one_line(capsys)


def test_a_missing_file_is_named_with_the_way_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quiz("names-recap") is None
    line = one_line(capsys)
    assert str(Path("quizzes", "names-recap.json")) in line
    assert str(Path.cwd()) in line
    assert "`roadmap start`" in line


def test_a_file_that_cannot_be_read_gets_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "quizzes" / "recap.json").mkdir()
    assert quiz("recap") is None
    assert f"Cannot read the quiz {Path('quizzes', 'recap.json')}" in one_line(capsys)


def with_choices(*choices: Any) -> list[dict[str, Any]]:
    return [QUESTIONS[1], {"ask": "Which?", "choices": list(choices)}]


RIGHT = {"text": "this", "why": "so", "right": True}
WRONG = {"text": "that", "why": "not so"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[{", "line 1 column"),
        ("{}", "a list of at least one question"),
        ([], "a list of at least one question"),
        (["Which?"], 'question 1 needs "ask"'),
        ([{"choices": [RIGHT, WRONG]}], 'question 1 needs "ask"'),
        ([{"ask": "Which?"}], 'question 1 needs "choices", a list of 2 to 26'),
        (with_choices(RIGHT), 'question 2 needs "choices"'),
        (with_choices(*[WRONG] * 26, RIGHT), 'question 2 needs "choices"'),
        (with_choices(RIGHT, {"text": "that"}), 'question 2, choice B needs "why"'),
        (
            with_choices({**RIGHT, "text": " "}, WRONG),
            'question 2, choice A needs "text"',
        ),
        (
            with_choices(RIGHT, {**WRONG, "right": "no"}),
            'question 2, choice B: "right"',
        ),
        (
            with_choices(WRONG, WRONG),
            'question 2 needs one choice with "right": true, not 0',
        ),
        (
            with_choices(RIGHT, RIGHT),
            'question 2 needs one choice with "right": true, not 2',
        ),
    ],
)
def test_a_damaged_file_gets_one_line_that_names_the_place(
    content: Any, complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, content)
    assert quiz("recap") is None
    line = one_line(capsys)
    assert line.startswith(f"The quiz {Path('quizzes', 'recap.json')} is damaged: ")
    assert complaint in line
    assert "`roadmap start`" in line


def test_a_file_that_is_not_utf_8_gets_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "quizzes" / "recap.json").write_bytes(b'["\xff"]')
    assert quiz("recap") is None
    assert "is damaged: 'utf-8' codec" in one_line(capsys)


def test_practice_imports_no_other_room() -> None:
    script = (
        "import sys, roadmap.practice\n"
        "print(*sorted(m for m in sys.modules if m.startswith('roadmap.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert done.stderr == ""
    assert all(module.startswith("roadmap.practice") for module in done.stdout.split())
    assert "roadmap.practice.quiz" in done.stdout.split()


@pytest.fixture
def views(chromium: Any, folder: Path) -> Iterator[Any]:
    """A page that holds the quiz twice, as two views of one output would."""
    opened = chromium.new_page()
    errors: list[Any] = []
    opened.on("pageerror", lambda error: errors.append(error))
    value = shown(folder).value
    # Set through innerHTML, as the widget manager does: scripts would not run.
    opened.set_content('<div id="one"></div><div id="two"></div>')
    opened.evaluate(
        "v => ['one', 'two'].forEach(i => document.getElementById(i).innerHTML = v)",
        value,
    )
    yield opened
    opened.close()
    assert errors == []


def statuses(views: Any) -> list[str]:
    return list(views.locator("#one [role=status]").all_inner_texts())


def test_the_keyboard_alone_answers_every_question(views: Any) -> None:
    for key in ("Tab", "Space", "Enter"):
        views.keyboard.press(key)
    assert statuses(views) == ["✗ Not yet: = copies nothing.", "", ""]
    views.keyboard.press("ArrowDown")
    assert statuses(views) == ["", "", ""]
    views.keyboard.press("Enter")
    assert statuses(views) == ["✓ Right: = binds a name.", "", ""]
    for key in ("Tab", "Tab", "Space", "Tab", "Space"):
        views.keyboard.press(key)
    assert statuses(views) == [
        "✓ Right: = binds a name.",
        "✓ Right: It changes the list.",
        "1 of 2 right at the first try",
    ]
    assert views.url == "about:blank"


def test_later_tries_give_feedback_and_keep_the_score(views: Any) -> None:
    first, second = views.locator("#one form").all()
    for form, choice in ((first, 1), (second, 0), (first, 2)):
        form.locator("input").nth(choice).check()
        form.locator("button").click()
    assert statuses(views) == [
        "✗ Not yet: A name is bound.",
        "✓ Right: It changes the list.",
        "2 of 2 right at the first try",
    ]


def test_checking_without_a_choice_asks_for_one_and_costs_no_try(views: Any) -> None:
    views.locator("#one button").first.click()
    assert statuses(views) == ["Choose an answer first.", "", ""]
    for form, choice in zip(views.locator("#one form").all(), (1, 0), strict=True):
        form.locator("input").nth(choice).check()
        form.locator("button").click()
    assert statuses(views)[-1] == "2 of 2 right at the first try"


def test_two_views_of_one_quiz_do_not_share_their_choices(views: Any) -> None:
    views.locator("#one input").first.check()
    views.locator("#two input").nth(1).check()
    assert views.locator("#one input").first.is_checked()
    views.locator("#two button").first.click()
    assert statuses(views) == ["", "", ""]


def test_the_feedback_region_stays_in_the_page(views: Any) -> None:
    """A region that is replaced together with its text is not announced."""
    views.evaluate("document.querySelector('#one [role=status]').kept = true")
    views.locator("#one input").first.check()
    views.locator("#one button").first.click()
    assert views.evaluate("document.querySelector('#one [role=status]').kept") is True


def test_long_choices_wrap_in_a_narrow_window(chromium: Any, folder: Path) -> None:
    long = "a_very_long_name_without_a_break_" * 12
    question = {
        "ask": long,
        "choices": [{**RIGHT, "text": long}, {**WRONG, "text": f"`{long}`"}],
    }
    opened = chromium.new_page(viewport={"width": 320, "height": 600})
    opened.set_content(shown(folder, [question]).value)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 320
    letter = opened.locator("label .letter").first
    assert letter.inner_text() == "A)"
    assert letter.bounding_box()["height"] < 30, "the letter itself wraps"
    opened.close()
