"""Recap questions with feedback for every choice, shown where the lesson asks them.

The view is one HTML widget that answers in the browser, not a box of
``ipywidgets.RadioButtons``: those carry no group name and cannot keep their arrow
keys from JupyterLab, which moves to the next cell; and a feedback widget that the
kernel fills anew is not reliably announced by screen readers. Native radio buttons
in a ``fieldset`` and a live region that stays in the page have neither fault, and
they answer while the kernel is busy.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import ipywidgets

FOLDER = "quizzes"

_STYLE = """
.roadmap-quiz {
  font: var(--jp-content-font-size1, 14px)/1.5 var(--jp-content-font-family, sans-serif);
  color: var(--jp-content-font-color1, inherit);
  max-width: 46em;
  overflow-wrap: anywhere;
}
.roadmap-quiz fieldset {
  border: 0; margin: 0 0 1.5em; padding: 0; min-inline-size: 0;
}
.roadmap-quiz legend {
  width: 100%; padding: 0; margin-bottom: .25em; font-weight: 600; white-space: pre-wrap;
}
.roadmap-quiz label {
  display: flex; gap: .5em; align-items: baseline; padding: .2em .25em; cursor: pointer;
}
.roadmap-quiz label > .letter { flex: none; }
.roadmap-quiz label > span { white-space: pre-wrap; min-width: 0; }
.roadmap-quiz input { margin: 0; flex: none; accent-color: var(--jp-brand-color1, auto); }
.roadmap-quiz button {
  margin: .4em .25em; padding: .2em 1em; font: inherit; color: inherit; cursor: pointer;
  background: var(--jp-layout-color2, transparent);
  border: 1px solid currentColor; border-radius: 3px;
}
.roadmap-quiz :focus-visible {
  outline: 2px solid var(--jp-brand-color1, currentColor); outline-offset: 2px;
}
.roadmap-quiz code {
  padding: 0 .2em;
  font-family: var(--jp-code-font-family, monospace);
  background: var(--jp-layout-color2, transparent);
}
.roadmap-quiz p { margin: .25em; white-space: pre-wrap; }
.roadmap-quiz [role=status] p { padding-left: .6em; border-left: 4px solid; }
.roadmap-quiz p.right { border-color: var(--jp-success-color1, green); }
.roadmap-quiz p.wrong { border-color: var(--jp-warn-color0, chocolate); }
"""

# A choice is checked by the button or Enter, never by choosing alone: the arrow
# keys choose on their way past, which would spend the first try.
_ON_SUBMIT = """
const form = event.target, picked = form.querySelector('input:checked');
const feedback = form.querySelector('[role=status]');
if (!picked) { feedback.textContent = 'Choose an answer first.'; return; }
const why = picked.closest('label').nextElementSibling;
feedback.replaceChildren(why.content.cloneNode(true));
form.dataset.first ??= picked.value;
const tries = Array.from(this.querySelectorAll('form'), each => each.dataset.first);
if (tries.every(Boolean)) {
  const right = tries.filter(each => each === 'right').length;
  this.querySelector(':scope > [role=status]').textContent =
    `${right} of ${tries.length} right at the first try`;
}
"""
_ON_CHANGE = "event.target.form.querySelector('[role=status]').replaceChildren();"

# JupyterLab takes arrows, Space and Enter for the notebook unless the element in focus says this.
_OWN_KEYS = 'data-lm-suppress-shortcuts="true"'


@dataclass(frozen=True)
class Choice:
    """One answer to choose, and why it is right or wrong."""

    text: str
    why: str
    right: bool

    @property
    def kind(self) -> str:
        """How the page's style and script call it."""
        return "right" if self.right else "wrong"


@dataclass(frozen=True)
class Question:
    """What is asked, and the choices in the order they are shown; one is right."""

    ask: str
    choices: tuple[Choice, ...]

    def lettered(self) -> Iterator[tuple[str, Choice]]:
        """Each choice with the letter it is shown under."""
        return zip(ascii_uppercase, self.choices, strict=False)


class Quiz(ipywidgets.HTML):  # type: ignore[misc]
    """The questions as a widget, and as plain text where no widget can be shown."""

    def __init__(self, name: str, questions: Sequence[Question]) -> None:
        super().__init__(value=_page(name, questions), layout={"width": "auto"})
        self._text = _text(name, questions)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        # Where nothing draws widgets, VS Code cuts plain text after thirty lines, and HTML not.
        other = {
            "text/html": f"<pre>{html.escape(self._text)}</pre>",
            "text/plain": self._text,
        }
        return {**super()._repr_mimebundle_(**kwargs), **other}


def quiz(name: str, answers: str | None = None) -> Quiz | None:
    """Ask the questions of ``quizzes/<name>.json``, the folder beside the notebook.

    Called as the last expression of a cell. It never raises, since a quiz is no
    reason to stop a notebook's run: what is wrong is printed in one line.

    Parameters
    ----------
    name : str
        The quiz file's name without ``.json``.
    answers : str, optional
        One letter for each question, such as ``"BAC"``: the feedback is printed
        as text. For a terminal, where there is nothing to click.

    Returns
    -------
    Quiz or None
        The view to display; None when ``answers`` are given or something is wrong.
    """
    path = Path(FOLDER, f"{name}.json")
    try:
        questions = read_questions(path)
        if answers is None:
            return Quiz(name, questions)
        message = _feedback(questions, _picks(name, questions, answers))
    except FileNotFoundError:
        message = (
            f"No quiz {path} in {Path.cwd()}: the folder {FOLDER} belongs beside the "
            "notebook. Run `roadmap start` again, or copy the folder there."
        )
    except OSError as error:
        message = (
            f"Cannot read the quiz {path}: {error.strerror}. See to its permissions."
        )
    except ValueError as error:
        message = str(error)
    print(message)  # noqa: T201 -- the output of a notebook's cell
    return None


def read_questions(path: Path) -> tuple[Question, ...]:
    """Read a quiz file.

    Parameters
    ----------
    path : Path
        A JSON list of ``{"ask", "choices": [{"text", "why", "right"?}, …]}``.

    Raises
    ------
    OSError
        The file is missing or cannot be read.
    ValueError
        The file is no quiz; one line names the file, the question and the way out.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, list) or not data:
            raise ValueError("it must be a list of at least one question")
        return tuple(
            _question(item, f"question {n}") for n, item in enumerate(data, start=1)
        )
    except ValueError as error:
        raise ValueError(
            f"The quiz {path} is damaged: {error}. "
            "Mend it, or delete it and run `roadmap start` for a fresh copy."
        ) from error


def _question(item: Any, where: str) -> Question:
    ask = _string(item, "ask", where)
    choices = item.get("choices")
    if not isinstance(choices, list) or not 2 <= len(choices) <= len(ascii_uppercase):
        raise ValueError(
            f'{where} needs "choices", a list of 2 to {len(ascii_uppercase)}'
        )
    question = Question(
        ask,
        tuple(
            _choice(choice, f"{where}, choice {letter}")
            for letter, choice in zip(ascii_uppercase, choices, strict=False)
        ),
    )
    right = sum(choice.right for choice in question.choices)
    if right != 1:
        raise ValueError(f'{where} needs one choice with "right": true, not {right}')
    return question


def _choice(item: Any, where: str) -> Choice:
    text, why = _string(item, "text", where), _string(item, "why", where)
    right = item.get("right", False)
    if not isinstance(right, bool):
        raise ValueError(f'{where}: "right" is true or left out, not {right!r}')
    return Choice(text, why, right)


def _string(item: Any, key: str, where: str) -> str:
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'{where} needs "{key}", a text that is not empty')
    return value


def _picks(name: str, questions: Sequence[Question], answers: str) -> list[int]:
    """The index chosen in each question; ValueError when the letters do not fit."""
    example = f'give one letter for each, such as answers="{"A" * len(questions)}"'
    letters = answers.replace(" ", "").upper() if isinstance(answers, str) else ""
    if len(letters) != len(questions):
        raise ValueError(
            f"answers={answers!r} does not fit the quiz {name}, "
            f"which has {len(questions)} question(s): {example}."
        )
    for number, (letter, question) in enumerate(
        zip(letters, questions, strict=True), start=1
    ):
        choices = ascii_uppercase[: len(question.choices)]
        if letter not in choices:
            raise ValueError(
                f"answers={answers!r}: question {number} of the quiz {name} "
                f"has the choices A to {choices[-1]}, not {letter!r}."
            )
    return [ascii_uppercase.index(letter) for letter in letters]


def _feedback(questions: Sequence[Question], picks: Sequence[int]) -> str:
    chosen = [
        question.choices[pick] for question, pick in zip(questions, picks, strict=True)
    ]
    lines = [
        f"{number}. {ascii_uppercase[pick]}) {_verdict(choice)} {choice.why}"
        for number, (pick, choice) in enumerate(
            zip(picks, chosen, strict=True), start=1
        )
    ]
    right = sum(choice.right for choice in chosen)
    return "\n".join([*lines, f"{right} of {len(chosen)} right"])


def _text(name: str, questions: Sequence[Question]) -> str:
    blocks = []
    for number, question in enumerate(questions, start=1):
        lines = [
            f"   {letter}) {choice.text}" for letter, choice in question.lettered()
        ]
        blocks.append("\n".join([f"{number}. {question.ask}", *lines]))
    call = f'quiz("{name}", answers="{"A" * len(questions)}")'
    return "\n\n".join([*blocks, f"To answer, give a letter for each question: {call}"])


def _page(name: str, questions: Sequence[Question]) -> str:
    forms = "".join(
        _form(number, question) for number, question in enumerate(questions, start=1)
    )
    return (
        f"<style>{_STYLE}</style>"
        f'<div class="roadmap-quiz" role="group" aria-label="Quiz {html.escape(name)}"'
        f' onsubmit="{html.escape(_ON_SUBMIT)}" onchange="{html.escape(_ON_CHANGE)}">'
        f'{forms}<p role="status" aria-live="polite"></p></div>'
    )


def _form(number: int, question: Question) -> str:
    choices = "".join(_label(*lettered) for lettered in question.lettered())
    # A form of its own keeps the radio group apart from every other view in the page;
    # method="dialog" outside a dialog never leaves the page.
    return (
        f'<form method="dialog"><fieldset><legend>{number}. {_inline(question.ask)}</legend>'
        f"{choices}<button {_OWN_KEYS}>Check</button>"
        '<div role="status" aria-live="polite"></div></fieldset></form>'
    )


def _label(letter: str, choice: Choice) -> str:
    return (
        f'<label><input type="radio" name="choice" value="{choice.kind}" {_OWN_KEYS}>'
        f'<span class="letter">{letter})</span><span>{_inline(choice.text)}</span></label>'
        f"<template>{_marked(choice)}</template>"
    )


def _marked(choice: Choice) -> str:
    mark = "✓" if choice.right else "✗"
    return (
        f'<p class="{choice.kind}"><span aria-hidden="true">{mark} </span>'
        f"<strong>{_verdict(choice)}</strong> {_inline(choice.why)}</p>"
    )


def _verdict(choice: Choice) -> str:
    return "Right:" if choice.right else "Not yet:"


def _inline(text: str) -> str:
    """Escaped for HTML, with `code` between backticks as a code element."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
