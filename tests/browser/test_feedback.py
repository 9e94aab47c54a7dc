"""Feedback pages in a browser without a network: they show, and nothing of a learner's acts."""

from __future__ import annotations

import base64
import sys
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode, v4
from nbgrader.api import Gradebook

from roadmap.grading import feedback

RAN = "document.documentElement.dataset.ran='yes'"
ELSEWHERE = "http://127.0.0.1:9/"  # nobody listens there; asking is what counts
COVER = (
    "<style>main{display:none}</style><style>@import '" + ELSEWHERE + "i.css';"
    "body{background:url(" + ELSEWHERE + "b.png)}</style>"
    '<div style="position:fixed;inset:0;z-index:99;width:9999px;height:9999px;'
    f"background:url({ELSEWHERE}c.png)\" class='result'>cover</div>"
)
HOSTILE = (
    f"<script>{RAN}</script><script src='{ELSEWHERE}s.js'></script>"
    f'<img src="{ELSEWHERE}p.png" srcset="{ELSEWHERE}p2.png 2x" onerror="{RAN}">'
    f'<img src="x.png" onerror="{RAN}"><svg onload="{RAN}"><image href="{ELSEWHERE}v.png"/></svg>'
    f'<svg><script>{RAN}</script></svg><details open ontoggle="{RAN}">d</details>'
    f'<iframe src="{ELSEWHERE}f.html"></iframe>'
    f'<iframe srcdoc="<script>parent.{RAN}</script>"></iframe>'
    f'<object data="{ELSEWHERE}o"></object><embed src="{ELSEWHERE}e">'
    f'<link rel="stylesheet" href="{ELSEWHERE}l.css"><link rel="prefetch" href="{ELSEWHERE}l">'
    f'<base href="{ELSEWHERE}"><meta http-equiv="refresh" content="0;url={ELSEWHERE}r">'
    f'<video src="{ELSEWHERE}v.mp4" poster="{ELSEWHERE}v.png"></video>'
    f'<input autofocus onfocus="{RAN}">'
    f'<a href="javascript:{RAN}" class="trap">click</a>'
    f'<a href=" &#106;avascript:{RAN}" class="trap">click</a><a href="data:text/html,x">d</a>'
    + COVER
    + f'<noscript><p title="</noscript><img src=x onerror={RAN}>"></noscript>'
    + "<math><mtext><table><mglyph><style><!--</style>"
    + f'<img title="--&gt;&lt;img src=1 onerror={RAN}&gt;">'
)


def hostile_notebook() -> NotebookNode:
    """What a submission can leave in its graded notebook, in each place where it can."""
    svg = base64.b64encode(f"<svg onload='{RAN}'/>".encode()).decode()
    answer = v4.new_code_cell(f"add = {HOSTILE!r}", execution_count=1)
    answer.metadata.nbgrader = nbgrader_metadata("add", solution=True)
    check = v4.new_code_cell("assert add == 3", execution_count=2)
    check.metadata.nbgrader = nbgrader_metadata("test-add", grade=True, points=2)
    for data in (
        {"text/html": HOSTILE},
        {"text/markdown": HOSTILE},
        {"application/javascript": RAN},
        {"image/svg+xml": f"<svg onload='{RAN}'/>", "text/plain": HOSTILE},
        {"image/png": f'"><script>{RAN}</script>'},
        {"text/latex": HOSTILE},
    ):
        answer.outputs.append(v4.new_output("display_data", data))
    answer.outputs.append(v4.new_output("stream", text=HOSTILE))
    error = v4.new_output("error", ename=HOSTILE, evalue=HOSTILE, traceback=[HOSTILE])
    check.outputs.append(error)
    prose = v4.new_markdown_cell(
        f"# {HOSTILE}\n\n[x](javascript:{RAN}) ![x](attachment:x.svg) "
        f"![y]({ELSEWHERE}m.png)\n\n{HOSTILE}",
        attachments={"x.svg": {"image/svg+xml": svg}},
    )
    own_title = v4.new_markdown_cell("# The lesson")
    return v4.new_notebook(
        cells=[own_title, answer, check, prose, v4.new_raw_cell(HOSTILE)]
    )


def nbgrader_metadata(name: str, **more: object) -> dict[str, object]:
    meta = {"schema_version": 3, "grade_id": name, "locked": False, "task": False}
    return {**meta, "grade": False, "solution": False, **more}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Feedback for a submission that attacks who reads it; no kernel is needed for that."""
    root = tmp_path_factory.mktemp("course")
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    folder = root / "autograded" / "eve" / "ps1"
    folder.mkdir(parents=True)
    nbformat.write(hostile_notebook(), folder / "p1.ipynb")
    (folder / "x.png").write_text(HOSTILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
        with Gradebook(f"sqlite:///{root}/gradebook.db", "tiny") as gradebook:
            gradebook.add_assignment("ps1")
            gradebook.add_notebook("p1", "ps1")
            gradebook.add_solution_cell("add", "p1", "ps1")
            gradebook.add_grade_cell(
                "test-add", "p1", "ps1", max_score=2, cell_type="code"
            )
            gradebook.add_student("eve")
            with warnings.catch_warnings(action="ignore"):  # of how nbgrader adds one
                gradebook.add_submission("ps1", "eve")
            comment = gradebook.find_comment("add", "p1", "ps1", "eve")
            comment.manual_comment = HOSTILE
            gradebook.db.commit()
    feedback("ps1", root)
    return root / "feedback" / "eve" / "ps1"


@pytest.fixture
def asked(chromium: Any) -> Iterator[tuple[Any, list[str], list[str]]]:
    """A page that reaches nothing but files, what it asked for, and what the policy refused."""
    context = chromium.new_context(viewport={"width": 1100, "height": 900})
    page = context.new_page()
    requests: list[str] = []
    refused: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: refused.append(message.text))
    page.on("dialog", lambda dialog: (refused.append("a dialog"), dialog.dismiss()))
    context.route(
        "**/*",
        lambda route: (
            route.continue_()
            if route.request.url.startswith("file:")
            else route.abort()
        ),
    )
    yield page, requests, refused
    context.close()


def ran(page: Any) -> bool:
    return page.evaluate("document.documentElement.dataset.ran") is not None


@pytest.mark.parametrize("name", ["index.html", "p1.html"])
def test_a_hostile_submission_asks_nobody_runs_nothing_and_covers_nothing(
    asked: tuple[Any, list[str], list[str]], pages: Path, name: str, pictures: Path
) -> None:
    page, requests, refused = asked
    address = (pages / name).as_uri()
    page.goto(address)
    for trap in page.get_by_text("click", exact=True).all():
        trap.click()
    page.wait_for_timeout(300)
    page.screenshot(path=pictures / f"feedback-hostile-{name}.png")
    assert requests == [address]
    assert page.url == address
    assert not ran(page)
    # Nothing even came as far as the second wall.
    assert refused == []
    page.evaluate("scrollTo(0, 0)")
    assert page.locator("header").evaluate(
        "e => document.elementFromPoint(innerWidth / 2, 40)?.closest('header') === e"
    )


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """A server that answers to nothing and keeps what it was asked for."""
    heard: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", heard
        server.shutdown()


def test_the_policy_stops_what_the_cleaning_would_let_through(
    chromium: Any, pages: Path, tmp_path: Path, elsewhere: tuple[str, list[str]]
) -> None:
    address, heard = elsewhere
    # A policy in the page cannot stop a page that sends one elsewhere; the cleaning does.
    uncleaned = HOSTILE.replace(ELSEWHERE, address).replace("http-equiv", "x")
    text = (pages / "p1.html").read_text().replace("</main>", uncleaned + "</main>")
    page = chromium.new_page()
    for name, content, happens in (
        ("with", text, False),
        ("without", text.replace("Content-Security-Policy", "none"), True),
    ):
        path = tmp_path / f"{name}.html"
        path.write_text(content)
        page.goto(path.as_uri())
        page.wait_for_timeout(300)
        assert ran(page) is happens, name
        assert bool(heard) is happens, name
    page.close()


@pytest.mark.parametrize("width", [360, 1100])
def test_a_page_fits_its_window(
    asked: tuple[Any, list[str], list[str]], pages: Path, width: int
) -> None:
    page, _, _ = asked
    page.set_viewport_size({"width": width, "height": 800})
    for name in ("index.html", "p1.html"):
        page.goto((pages / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
