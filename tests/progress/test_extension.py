"""``%load_ext roadmap`` in a real IPython shell, and in a real kernel."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from roadmap.lessons.index import Check, Course, Exercise, Lesson, Phase
from roadmap.progress import ProgressStore
from tests.progress.conftest import CART_CHECK

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def ticking(lesson_folder: Path, shell: InteractiveShell) -> InteractiveShell:
    shell.run_cell("%load_ext roadmap")
    return shell


def printed(capsys: Captured) -> str:
    """What the extension said, without the shell's tracebacks."""
    lines = capsys.readouterr().out.splitlines()
    return "\n".join(
        line for line in lines if line.startswith(("✓", "✗", "The checklist"))
    )


def test_a_passing_check_is_known_by_its_cell_id_and_ticked(
    ticking: InteractiveShell, store: ProgressStore, capsys: Captured
) -> None:
    ticking.run_cell("carts = 2")
    ticking.run_cell(CART_CHECK, cell_id="test-carts")

    assert store.read().checks["test-carts"].passed
    assert capsys.readouterr().out == (
        "✓ Two carts (check 1 of 2): visible checks passed (2 points) — 3 hidden remain, "
        "run `roadmap check`.\nNext: check 2 of this exercise.\n"
    )


def test_other_cells_are_left_alone(
    ticking: InteractiveShell, store: ProgressStore, capsys: Captured
) -> None:
    ticking.run_cell("carts = 2", cell_id="carts")
    ticking.run_cell("carts = 3")

    assert store.read().checks == {}
    assert capsys.readouterr().out == ""


def test_a_failing_check_is_an_attempt_and_says_what_to_do(
    ticking: InteractiveShell, store: ProgressStore, capsys: Captured
) -> None:
    ticking.run_cell("carts = 3")
    ticking.run_cell(CART_CHECK, cell_id="test-carts")

    record = store.read().checks["test-carts"]
    assert (record.passed, record.attempts) == (False, 1)
    assert printed(capsys) == (
        "✗ Two carts (check 1 of 2): not yet — "
        "change your answer cell, run it, then run this check again."
    )


def test_a_cell_id_of_the_front_ends_own_falls_back_to_the_source(
    ticking: InteractiveShell, store: ProgressStore
) -> None:
    ticking.run_cell("carts = 2")
    ticking.run_cell(
        CART_CHECK, cell_id="vscode-notebook-cell:/a/b.ipynb#W3sZmlsZQ%3D%3D"
    )

    assert store.read().checks["test-carts"].passed


def test_two_checks_with_one_visible_text_are_told_apart_by_id_only(
    lesson_folder: Path, shell: InteractiveShell, store: ProgressStore
) -> None:
    same = "assert True"
    digest = hashlib.sha256(same.encode()).hexdigest()
    twins = tuple(Check(name, 1, digest) for name in ("test-a", "test-b"))
    course = Course(
        (Phase("p", "P", "", (Lesson("l", "L", None, (Exercise("e", "E", twins),)),)),)
    )
    (lesson_folder.parent / "start_here" / "course.json").write_text(course.to_json())
    shell.run_cell("%load_ext roadmap")

    shell.run_cell(same)
    assert store.read().checks == {}
    shell.run_cell(same, cell_id="test-b")
    assert set(store.read().checks) == {"test-b"}


def test_an_emptied_check_cell_is_no_pass(
    ticking: InteractiveShell, store: ProgressStore, capsys: Captured
) -> None:
    ticking.run_cell(" \n", cell_id="test-carts")

    assert store.read().checks == {}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ("pass", "the name `carts` does not exist yet — write your answer"),
        (
            "class carts:\n    def __eq__(self, _): raise NotImplementedError\ncarts = carts()",
            "no answer yet — write it in the answer cell above",
        ),
    ],
    ids=["not run", "not written"],
)
def test_without_an_answer_it_says_to_write_and_run_one(
    ticking: InteractiveShell, capsys: Captured, answer: str, advice: str
) -> None:
    ticking.run_cell(answer)
    ticking.run_cell(CART_CHECK, cell_id="test-carts")

    line = printed(capsys)
    assert advice in line
    assert line.endswith("run that cell, then run this check again.")


def test_a_check_that_does_not_parse_is_an_attempt(
    ticking: InteractiveShell, store: ProgressStore, capsys: Captured
) -> None:
    ticking.run_cell("assert carts ==", cell_id="test-carts")

    assert not store.read().checks["test-carts"].passed
    assert "not yet" in printed(capsys)


@pytest.mark.parametrize(
    ("check", "points"),
    [("test-alias", "passed (1 point) — "), ("test-run", "checks passed — ")],
)
def test_points_are_said_as_people_say_them(
    ticking: InteractiveShell, capsys: Captured, check: str, points: str
) -> None:
    ticking.run_cell("assert True", cell_id=check)

    assert points in printed(capsys)


def test_loading_twice_ticks_once_and_unloading_stops(
    ticking: InteractiveShell, store: ProgressStore
) -> None:
    from roadmap import load_ipython_extension, unload_ipython_extension

    load_ipython_extension(ticking)
    ticking.run_cell("assert True", cell_id="test-alias")
    assert store.read().checks["test-alias"].attempts == 1

    unload_ipython_extension(ticking)
    unload_ipython_extension(ticking)
    ticking.run_cell("assert True", cell_id="test-alias")
    assert store.read().checks["test-alias"].attempts == 1


def test_reloading_ticks_once(ticking: InteractiveShell, store: ProgressStore) -> None:
    ticking.run_cell("%reload_ext roadmap")
    ticking.run_cell("assert True", cell_id="test-alias")

    assert store.read().checks["test-alias"].attempts == 1


def test_it_leaves_no_names_in_the_learners_namespace(
    lesson_folder: Path, shell: InteractiveShell
) -> None:
    before = set(shell.user_ns)
    shell.run_cell("%load_ext roadmap")
    shell.run_cell("assert True", cell_id="test-alias")

    added = set(shell.user_ns) - before
    assert {name for name in added if not re.fullmatch(r"_i\d*", name)} == set()


def test_a_learners_name_that_shadows_a_builtin_does_no_harm(
    ticking: InteractiveShell, store: ProgressStore
) -> None:
    ticking.run_cell("print = len = bool = hash = None")
    ticking.run_cell("assert True", cell_id="test-alias")

    assert store.read().checks["test-alias"].passed


def test_without_an_index_there_is_one_line_and_no_ticking(
    tmp_path: Path,
    shell: InteractiveShell,
    store: ProgressStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    monkeypatch.chdir(tmp_path)

    shell.run_cell("%load_ext roadmap")
    shell.run_cell("assert True", cell_id="test-alias")

    out = capsys.readouterr().out
    assert out.startswith("The checklist will not tick: ")
    assert out.count("\n") == 1
    assert not store.path.exists()


def test_when_progress_cannot_be_kept_the_verdict_still_comes(
    lesson_folder: Path,
    shell: InteractiveShell,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    (lesson_folder / "a file").touch()
    monkeypatch.setenv(
        "ROADMAP_PROGRESS_FILE", str(lesson_folder / "a file" / "p.json")
    )
    shell.run_cell("%load_ext roadmap")

    result = shell.run_cell("assert True", cell_id="test-alias")

    assert result.success
    verdict, note = capsys.readouterr().out.splitlines()
    assert verdict.startswith("✓ Predict the alias")
    assert note.startswith("The checklist is not ticked: ")
    assert "a file/p.json" in note


def test_a_broken_progress_file_is_told_below_the_check(
    ticking: InteractiveShell, store: ProgressStore, capsys: Captured
) -> None:
    store.path.parent.mkdir()
    store.path.write_text("broken")

    ticking.run_cell("assert True", cell_id="test-alias")

    verdict, _, note = capsys.readouterr().out.splitlines()
    assert verdict.startswith("✓")
    assert "kept as progress.json.kept-1" in note


def test_an_error_of_its_own_is_one_line_and_the_cell_keeps_its_result(
    ticking: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("our own mistake")

    monkeypatch.setattr(ProgressStore, "record", broken)

    result = ticking.run_cell("assert True", cell_id="test-alias")

    assert result.success
    assert capsys.readouterr().out == (
        "The checklist is not ticked: ZeroDivisionError: our own mistake\n"
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NBGRADER_EXECUTION", "autograde"),
        ("NBGRADER_EXECUTION", "validate"),
        ("ROADMAP_PROGRESS", "off"),
    ],
)
def test_where_a_grader_or_ci_runs_it_neither_ticks_nor_prints(
    lesson_folder: Path,
    shell: InteractiveShell,
    store: ProgressStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
    variable: str,
    value: str,
) -> None:
    monkeypatch.setenv(variable, value)

    shell.run_cell("%load_ext roadmap")
    shell.run_cell("assert True", cell_id="test-alias")

    assert capsys.readouterr().out == ""
    assert not store.path.exists()


def test_importing_roadmap_is_cheap_and_ticking_needs_no_widgets() -> None:
    code = (
        "import sys, roadmap\n"
        "assert 'roadmap.progress' not in sys.modules\n"
        "import roadmap.progress.extension\n"
        "assert 'ipywidgets' not in sys.modules\n"
        "assert 'jupytext' not in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def kernel(lesson_folder: Path, store: ProgressStore) -> Iterator[BlockingKernelClient]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(lesson_folder))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def run(
    client: BlockingKernelClient, code: str, cell_id: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Execute as JupyterLab does, with the cell's id in the message's metadata.

    Returns:
        The contents of the cell's outputs in their order, and of the reply.
    """
    content = {
        "code": code,
        "silent": False,
        "store_history": True,
        "stop_on_error": True,
    }
    message = client.session.msg(
        "execute_request", content, metadata={"cellId": cell_id}
    )
    client.shell_channel.send(message)

    def answers(receive: Callable[..., dict[str, Any]]) -> Iterator[dict[str, Any]]:
        while True:
            answer = receive(timeout=60)
            if answer["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                yield answer

    outputs = []
    for said in answers(client.get_iopub_msg):
        if said["msg_type"] in ("stream", "error", "display_data", "execute_result"):
            outputs.append({"type": said["msg_type"], **said["content"]})
        if said["content"].get("execution_state") == "idle":
            break
    return outputs, next(answers(client.get_shell_msg))["content"]


def test_a_real_kernel_ticks_by_the_cell_id_that_the_front_end_sends(
    kernel: BlockingKernelClient, store: ProgressStore
) -> None:
    assert run(kernel, "%load_ext roadmap", "setup")[0] == []

    (_, failed), reply = run(kernel, "assert carts == 2", "test-carts")
    assert "the name `carts` does not exist yet" in failed["data"]["text/plain"]
    assert reply["status"] == "error"
    assert not store.read().checks["test-carts"].passed

    run(kernel, "carts = 2", "carts")
    waiting = "await __import__('asyncio').sleep(0)\nassert carts == 2"
    (passed,), reply = run(kernel, waiting, "test-carts")
    assert passed["data"]["text/plain"].startswith("✓ Two carts")
    assert "<p " in passed["data"]["text/html"]
    assert reply["status"] == "ok"
    assert store.read().checks["test-carts"].passed


VS_CODE = "vscode-notebook-cell:/a/b.ipynb#W3sZmlsZQ%3D%3D"


@pytest.mark.parametrize("cell_id", ["test-carts", VS_CODE])
def test_a_failing_check_says_its_message_first_and_folds_the_traceback(
    kernel: BlockingKernelClient, cell_id: str
) -> None:
    run(kernel, "%load_ext roadmap\ncarts = 3", "setup")
    (error, below), reply = run(kernel, CART_CHECK, cell_id)

    for told in (error, reply):
        assert told["traceback"] == ["two carts"]
        assert (told["ename"], told["evalue"]) == ("AssertionError", "two carts")
    assert reply["status"] == "error"
    page = below["data"]["text/html"]
    advice, _, folded = page.partition("<details>")
    assert "change your answer cell" in advice
    assert "Traceback (most recent call last)" in folded
    assert "assert carts == 2" in folded
    assert "Traceback" not in below["data"]["text/plain"]
    assert not re.search("[\x00-\x08\x0b-\x1f]", page), "colours of a terminal"


def test_an_error_in_the_learners_code_names_its_line(
    kernel: BlockingKernelClient,
) -> None:
    run(kernel, "%load_ext roadmap", "setup")
    run(
        kernel, "class carts:\n    def __eq__(self, other):\n        return 1 + ''", "a"
    )
    run(kernel, "carts = carts()", "b")
    (error, below), _ = run(kernel, CART_CHECK, "test-carts")

    assert error["traceback"] == [
        "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
        "Cell In[2], line 3:",
        "    return 1 + ''",
    ]
    assert "In[2], line 3" in below["data"]["text/html"]


def test_a_long_message_is_broken_between_words(kernel: BlockingKernelClient) -> None:
    run(kernel, "%load_ext roadmap", "setup")
    words = "expected that it returns something else; " * 5
    (error, _), _ = run(
        kernel, f"assert False, {words + chr(10) + '  <b>'!r}", "test-alias"
    )

    *lines, last = error["traceback"][0].splitlines()
    assert " ".join(line.strip() for line in lines) == words.strip()
    assert max(map(len, lines)) <= 88
    assert last == "  <b>"


def test_markup_and_colours_in_a_message_stay_text(
    kernel: BlockingKernelClient,
) -> None:
    run(kernel, "%load_ext roadmap", "setup")
    code = "assert False, '<script>alert(1)</script> \\x1b[31mred\\x1b[0m'"
    (error, below), _ = run(kernel, code, "test-alias")

    assert error["traceback"] == ["<script>alert(1)</script> red"]
    assert "<script>" not in below["data"]["text/html"]


def test_a_group_of_errors_is_folded_too(kernel: BlockingKernelClient) -> None:
    run(kernel, "%load_ext roadmap", "setup")
    code = "raise ExceptionGroup('two tasks failed', [ValueError('a'), KeyError('b')])"
    (error, below), _ = run(kernel, code, "test-alias")

    assert error["traceback"] == ["ExceptionGroup: two tasks failed (2 sub-exceptions)"]
    assert "KeyError: &#x27;b&#x27;" in below["data"]["text/html"]


def test_other_cells_show_their_errors_as_ever(kernel: BlockingKernelClient) -> None:
    run(kernel, "%load_ext roadmap", "setup")
    run(kernel, "assert False", "test-alias")
    (error,), reply = run(kernel, "1 / 0", "other")

    assert "Traceback (most recent call last)" in "".join(error["traceback"])
    assert reply["traceback"] == error["traceback"]


def test_a_stopped_check_is_no_mistake(
    ticking: InteractiveShell, store: ProgressStore, capsys: Captured
) -> None:
    ticking.run_cell("raise KeyboardInterrupt", cell_id="test-alias")

    assert "stopped before it ended" in printed(capsys)
    assert store.read().checks["test-alias"].failures == ()


def test_a_handler_of_the_learners_own_stays(ticking: InteractiveShell) -> None:
    ticking.set_custom_exc((ValueError,), lambda *_, **__: ["mine"])
    ticking.run_cell("x = 1")

    assert ticking.custom_exceptions == (ValueError,)
