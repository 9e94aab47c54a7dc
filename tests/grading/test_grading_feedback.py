"""Feedback pages: what they say, what they keep to themselves, and that nothing in them acts."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4
from nbgrader.api import Gradebook
from tiny_course import ADD, ANSWERS, DOUBLE, TinyCourse, cell

from roadmap.errors import RoadmapError
from roadmap.grading import feedback, grade
from roadmap.grading.hidden_tests import PLACEHOLDER, take_out_hidden_tests
from roadmap.grading.safe_html import SafePage, safe_html

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
ESSAY = cell("written", "essay", "Write here.", 4)
WRONG_ADD = "def add(a, b):\n    return 3"
BEFORE = v4.new_markdown_cell("# Sums\n\n## Exercise: Add *two*", id="sums")

HOSTILE_HTML = (
    "<b>kept</b><script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"
    "<svg onload=\"document.title='ran'\"><a xlink:href='javascript:1'>s</a></svg>"
    "<a href=\"javascript:document.title='ran'\">link</a>"
    "<a href='https://example.org/x' ping='https://example.org/ping'>out</a>"
    "<a href='file:///etc/passwd'>file</a><a href='notes.html'>beside</a>"
    "<iframe src='https://example.org/frame'></iframe><object data='https://example.org/o'></object>"
    "<embed src='https://example.org/e'><base href='https://example.org/'>"
    "<meta http-equiv='refresh' content='0;url=https://example.org/refresh'>"
    "<link rel=stylesheet href='https://example.org/style.css'>"
    "<style>main{display:none} @import 'https://example.org/import.css';</style>"
    "<form action='https://example.org/form'><input name=a><button>go</button></form>"
    "<div class='full total wide' id='summary' style='position:fixed;inset:0;z-index:9;"
    "background:url(https://example.org/bg);text-align:right'>cover</div>"
    "<img src='https://example.org/pixel.png' srcset='https://example.org/2x.png 2x'>"
    "<img src='data:image/svg+xml;base64,PHN2Zy8+'><video src='https://example.org/v'></video>"
    "<math><mtext><table><mglyph><style><img src=x onerror=\"document.title='ran'\">"
)
HOSTILE_ANSWER = f"""\
from IPython.display import HTML, Javascript, Markdown, SVG, display
hostile = {HOSTILE_HTML!r}
display(HTML(hostile), Markdown(hostile), Javascript("document.title='ran'"))
display({{"image/svg+xml": "<svg onload=alert(1)>", "text/plain": "a drawing"}}, raw=True)
display({{"image/png": '"><script>document.title="ran"</script>'}}, raw=True)
display({{"image/png": {PNG!r}}}, raw=True)
display({{"text/latex": hostile, "application/json": {{"a": 1}}}}, raw=True)
print(hostile)
def add(a, b):
    raise ValueError(hostile)
"""


def hostile(nb: NotebookNode) -> None:
    """Markdown, a title, attachments and metadata that would act."""
    svg = base64.b64encode(b"<svg onload='document.title=1'/>").decode()
    nb.cells.insert(
        1,
        v4.new_markdown_cell(
            "## Title <script>document.title='ran'</script>\n\n"
            "[md](javascript:document.title='ran') ![pixel](https://example.org/md.png)\n\n"
            "![a](attachment:a.svg) ![b](attachment:b.png) ![lost](attachment:lost.png)\n\n"
            "![mine](mine.png) ![theirs](../../../secret.png) $x^2$\n\n{HOSTILE_HTML}",
            attachments={
                "a.svg": {"image/svg+xml": svg},
                "b.png": {"image/png": PNG},
            },
        ),
    )
    nb.cells.append(v4.new_raw_cell(HOSTILE_HTML))
    nb.metadata["title"] = "<script>document.title='ran'</script>"


@dataclass
class Page(HTMLParser):
    """A page taken apart: its elements with attributes, and the text of its main part."""

    text: str = ""
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    @classmethod
    def of(cls, path: Path) -> Page:
        page = cls()
        page.feed(path.read_text(encoding="utf-8"))
        page.close()
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "main":
            self.text = ""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def graded(
    tmp_path_factory: pytest.TempPathFactory, empty_gradebook: Path
) -> Iterator[Path]:
    """A class with marks of every kind, and its feedback."""
    course = TinyCourse(tmp_path_factory.mktemp("feedback") / "course")
    (course.root / "gradebook.db").write_bytes(empty_gradebook.read_bytes())
    course.source("p1", BEFORE, *ADD, ESSAY, *DOUBLE)
    course.source("p2", *DOUBLE)
    course.hand_in("ada", {**ANSWERS, "essay": "Mine."})
    course.hand_in("ada", name="p2")
    course.hand_in("ben", {"add": WRONG_ADD, "essay": "Words."})
    eve = course.hand_in("eve", {"add": HOSTILE_ANSWER}, change=hostile).parent
    (eve / "notes.html").write_text(HOSTILE_HTML)
    (eve / "mine.png").write_bytes(base64.b64decode(PNG))
    (eve / "timestamp.txt").write_text("2026-01-01 10:00:00 UTC")
    (course.root.parent / "secret.png").write_bytes(b"the-secret-picture")
    grade("ps1", course.root)
    with Gradebook(f"sqlite:///{course.root}/gradebook.db", "tiny") as gradebook:
        notebook = gradebook.find_submission_notebook("p1", "ps1", "ada")
        notebook.late_submission_penalty = 1.5
        essay = next(found for found in notebook.grades if found.name == "essay")
        essay.manual_score, essay.needs_manual_grade = 2.5, False
        remark = next(found for found in notebook.comments if found.name == "essay")
        remark.manual_comment = "Well said, <b>but</b> short."
        gradebook.db.commit()
    feedback("ps1", course.root)
    yield course.root


def page(root: Path, student: str, name: str) -> Page:
    return Page.of(root / "feedback" / student / "ps1" / name)


def test_a_page_begins_with_a_table_that_leads_to_each_check(graded: Path) -> None:
    found = page(graded, "ben", "p1.html")
    summary = found.text[: found.text.index("Your notebook")]
    row = summary[summary.index("Add two") :]
    words = " ".join(row.split())
    assert words.startswith(
        "Add two 0 of 2 ✗ no marks add(20, 22) is wrong Add two 0 of 4 … to be marked"
    ), words
    assert "NameError: name 'double' is not defined" in words
    targets = [attributes["href"] for attributes in found.all("a")][:3]
    assert targets == ["#cell-test-add", "#cell-essay", "#cell-test-double"]
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {target.removeprefix("#") for target in targets} <= set(ids)


def test_the_overview_lists_every_notebook_also_one_that_is_missing(
    graded: Path,
) -> None:
    found = page(graded, "ben", "index.html")
    assert [a["href"] for a in found.all("a")][:1] == ["p1.html"]
    words = " ".join(found.text.split())
    assert "Sums 0 of 9 2 with no marks 1 to be marked" in words
    assert "p2 0 of 3 p2.ipynb was not handed in" in words
    assert "0 of 12 points" in words


def test_marks_and_comments_by_hand_and_the_late_penalty_are_shown(
    graded: Path,
) -> None:
    overview = " ".join(page(graded, "ada", "index.html").text.split())
    assert "9 of 12 points" in overview
    assert "10.5 points, less 1.5 because it was handed in late" in overview
    assert "Add two: Well said, <b>but</b> short." in overview
    shown = " ".join(page(graded, "ada", "p1.html").text.split())
    assert "2.5 of 4 ◐ part marks, by hand" in shown
    assert "Comment: Well said, <b>but</b> short." in shown
    assert "6 of 9 points" in shown


def test_hidden_tests_are_neither_in_the_check_nor_in_its_traceback(
    graded: Path,
) -> None:
    found = page(graded, "ben", "p1.html")
    assert "assert add(1, 2) == 3" in found.text
    assert "add(20, 22) is wrong" in found.text
    assert "add(20, 22) == 42" not in found.text
    traceback = found.text[found.text.index("Traceback (most recent") :]
    assert PLACEHOLDER in traceback
    assert "BEGIN HIDDEN" not in found.text


def test_the_instructor_may_have_hidden_tests_shown(
    course: TinyCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.hand_in("ben", {"add": WRONG_ADD})
    grade("ps1", course.root)
    feedback("ps1", course.root)
    path = course.root / "feedback/ben/ps1/p1.html"
    assert "add(20, 22) == 42" not in Page.of(path).text
    course.configure("c.Grader.show_hidden_tests = True\n")
    feedback("ps1", course.root)
    text = Page.of(path).text
    assert text.count("add(20, 22) == 42") == 2
    assert PLACEHOLDER not in text


def check_with_output(source: str, output: NotebookNode) -> NotebookNode:
    check = cell("test", "test-add", source, 1)
    check.execution_count, check.outputs = 3, [output]
    return v4.new_notebook(cells=[check])


HIDDEN_LINES = "\n  \nx = 1\n# BEGIN\nx\n5 if x else y()\n# END\nx = 1"
# Pairs of a traceback and what is left of it.
IPYTHONS = (
    """\
\x1b[36mCell\x1b[39m\x1b[36m In[3]\x1b[39m\x1b[32m, line 1\x1b[39m
----> 1 x = 1
      2 # BEGIN
      3 x
      6 x = 1

Cell In[2], line 3, in y()
----> 3 x

E: e""",
    f"""\
Cell In[3], line 1
----> 1 x = 1
    {PLACEHOLDER}
      6 x = 1

Cell In[2], line 3, in y()
----> 3 x

E: e""",
)
PLAIN = (
    """\
Traceback (most recent call last):

  Cell In[3], line 4
    5 if x else y()
                ^^^

  Cell In[2], line 3, in y
    x

E: e""",
    f"""\
Traceback (most recent call last):

  Cell In[3], line 4
    {PLACEHOLDER}

  Cell In[2], line 3, in y
    x

E: e""",
)


@pytest.mark.parametrize(("trace", "left"), [IPYTHONS, PLAIN])
def test_a_traceback_quotes_no_hidden_line_however_short(trace: str, left: str) -> None:
    error = v4.new_output("error", ename="E", evalue="e", traceback=trace.split("\n\n"))
    error.traceback = [f"{entry}\n" for entry in error.traceback]
    nb = check_with_output(HIDDEN_LINES, error)
    take_out_hidden_tests(nb, "# BEGIN", "# END")
    assert nb.cells[0].outputs[0].traceback == [f"{left}\n"]


@pytest.mark.parametrize("kind", ["stream", "result", "message"])
def test_a_hidden_line_that_is_printed_as_it_is_does_not_show(kind: str) -> None:
    secret = "assert add(20, 22) == 42"
    output = {
        "stream": v4.new_output("stream", text=f"> \x1b[1massert\x1b[0m {secret[7:]}"),
        "result": v4.new_output("execute_result", {"text/html": f"<p>{secret}</p>"}),
        "message": v4.new_output("error", ename="E", evalue=secret, traceback=[secret]),
    }[kind]
    nb = check_with_output(f"# BEGIN\n    {secret}\n# END", output)
    take_out_hidden_tests(nb, "# BEGIN", "# END")
    assert "20, 22" not in str(nb)
    assert PLACEHOLDER in str(nb.cells[0].outputs)


ALLOWED_OF_PAGE = {"html", "head", "meta", "title", "style", "body", "main", "header"}
ALLOWED_OF_PAGE |= {"section", "bdi"}


@pytest.mark.parametrize("name", ["p1.html", "index.html"])
def test_nothing_of_a_hostile_submission_acts(graded: Path, name: str) -> None:
    found = page(graded, "eve", name)
    text = (graded / "feedback/eve/ps1" / name).read_text()
    assert text.index("Content-Security-Policy") < text.index("<style>")
    assert len(found.all("style")) == 1
    assert len(found.all("meta")) == 5
    for tag, attributes in found.elements:
        assert tag not in {"script", "svg", "iframe", "object", "embed", "base", "link"}
        assert tag not in {"form", "input", "button", "video", "math", "template"}
        assert not [key for key in attributes if key.startswith("on")], attributes
        assert not {"srcset", "ping", "formaction", "xlink:href"} & set(attributes)
        assert attributes.get("src", "data:image/png").startswith("data:image/png")
        href = attributes.get("href", "#")
        assert re.match(r"#|p1\.html|https://example\.org/x$", href), href
        assert "position" not in attributes.get("style", "")
        assert "url" not in attributes.get("style", "")


def test_a_hostile_submission_shows_what_is_harmless(graded: Path) -> None:
    found = page(graded, "eve", "p1.html")
    assert ("b", {}) in found.elements
    assert "text-align:right" in [e.get("style") for e in found.all("div")]
    assert "a drawing" in found.text
    assert "$x^2$" in found.text
    assert "<script>document.title='ran'</script>" in found.text  # printed as text
    assert "Javascript object" in found.text
    borrowed = [e for e in found.all("div") if "total" in e.get("class", "")]
    assert borrowed == []


def test_pictures_are_embedded_but_none_from_elsewhere(graded: Path) -> None:
    found = page(graded, "eve", "p1.html")
    embedded = {e["alt"]: e.get("src", "") for e in found.all("img") if "alt" in e}
    picture = f"data:image/png;base64,{PNG}"
    assert embedded["mine"] == embedded["b"] == picture
    assert [embedded[name] for name in ("a", "lost", "theirs", "pixel")] == [""] * 4


def test_files_of_learners_stay_out_of_the_feedback_folder(graded: Path) -> None:
    names = {path.name for path in (graded / "feedback/eve/ps1").iterdir()}
    assert names == {"index.html", "p1.html", "timestamp.txt"}


def test_a_symlink_gives_no_picture_of_others(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = tmp_path / "handed-in"
    folder.mkdir()
    (folder / "linked.png").symlink_to(tmp_path / "secret.png")
    (folder / "own.png").write_bytes(b"own")
    safe = SafePage(folder)
    assert safe.picture("own.png", {}) != ""
    for name in (
        "linked.png",
        "../secret.png",
        str(tmp_path / "secret.png"),
        "a\0.png",
    ):
        assert safe.picture(name, {}) == "", name


def test_headings_are_in_order_below_one_title(graded: Path) -> None:
    for name in ("index.html", "p1.html"):
        tags = [tag for tag, _ in page(graded, "ada", name).elements]
        levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
        assert levels.count(1) == 1
        assert levels[0] == 1
        steps = pairwise(levels)
        assert all(after - before <= 1 for before, after in steps), levels


def test_tables_say_what_their_cells_are(graded: Path) -> None:
    for name in ("index.html", "p1.html"):
        scopes = [e["scope"] for e in page(graded, "ben", name).all("th")]
        assert scopes.count("col") >= 3
        assert scopes.count("row") >= 2


@pytest.mark.parametrize("text", ["<div>" * 200_000, "<b a=1>" * 100_000])
def test_markup_without_end_costs_no_time(tmp_path: Path, text: str) -> None:
    safe = SafePage(tmp_path)
    start = time.process_time()
    assert safe.html(text) is None
    assert safe.markdown(text, {}).startswith("<pre>&lt;")
    assert time.process_time() - start < 1


def test_a_page_takes_only_so_many_pictures_and_so_much_markup(tmp_path: Path) -> None:
    (tmp_path / "big.png").write_bytes(bytes(4_000_000))
    safe = SafePage(tmp_path)
    embedded = [safe.picture("big.png", {}) != "" for _ in range(6)]
    assert embedded == [True, True, True, False, False, False]
    assert [safe.html("x" * 90_000) is None for _ in range(7)] == [False] * 5 + [
        True
    ] * 2


def test_classes_of_the_page_cannot_be_borrowed() -> None:
    cleaned = safe_html('<p class="marks full k highlight dataframe">x</p>')
    assert cleaned == '<p class="k highlight dataframe">x</p>'


def change(root: Path, student: str, work: Callable[[Path], object]) -> None:
    path = root / "autograded" / student / "ps1" / "p1.ipynb"
    path.chmod(0o644)
    work(path)


def test_a_notebook_that_cannot_be_read_costs_only_its_own_page(
    course: TinyCourse,
) -> None:
    course.hand_in("ada")
    course.hand_in("ben")
    grade("ps1", course.root)
    change(course.root, "ada", lambda path: path.write_text("{"))
    with pytest.raises(
        RoadmapError, match=r"ada \(.*p1\.ipynb: cannot be read"
    ) as caught:
        feedback("ps1", course.root)
    assert "2 pages of the others are written" in str(caught.value)
    assert (course.root / "feedback/ben/ps1/p1.html").is_file()
    assert not list((course.root / "feedback").glob("*/.*"))


def test_without_marks_in_the_gradebook_a_line_says_what_to_do(
    course: TinyCourse,
) -> None:
    course.hand_in("ada")
    grade("ps1", course.root)
    (course.root / "autograded/zoe/ps1").mkdir(parents=True)
    with pytest.raises(RoadmapError, match=r"zoe \(no marks.*roadmap grade ps1"):
        feedback("ps1", course.root)


def test_a_check_that_the_notebook_lacks_is_listed_all_the_same(
    course: TinyCourse,
) -> None:
    course.hand_in("ada")
    grade("ps1", course.root)

    def cut(path: Path) -> None:
        nb = nbformat.read(path, as_version=4)
        nb.cells = nb.cells[:-1]
        nbformat.write(nb, path)

    change(course.root, "ada", cut)
    feedback("ps1", course.root)
    text = Page.of(course.root / "feedback/ada/ps1/p1.html").text
    assert "the notebook lacks this cell" in text


def test_a_notebook_called_index_keeps_its_page(
    course: TinyCourse,
) -> None:
    course.source("index", *DOUBLE)
    course.hand_in("ada", {"double": "doubled = 1"}, name="index")
    grade("ps1", course.root)
    names = [path.name for path in feedback("ps1", course.root)]
    assert names == ["overview.html", "index.html"]


def test_nbgrader_releases_the_pages(course: TinyCourse, tmp_path: Path) -> None:
    exchange = tmp_path / "exchange"
    exchange.mkdir(mode=0o777)
    course.configure(f"c.Exchange.root = {str(exchange)!r}\n")
    folder = course.hand_in("ada").parent
    (folder / "timestamp.txt").write_text("2026-01-01 10:00:00 UTC")
    (folder / "submission_secret.txt").write_text("a secret")
    grade("ps1", course.root)
    feedback("ps1", course.root)
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "release_feedback", "ps1"],
        cwd=course.root,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    released = [
        path.read_text() for path in (exchange / "tiny/feedback").glob("*.html")
    ]
    page = (course.root / "feedback/ada/ps1/p1.html").read_text()
    assert page in released
