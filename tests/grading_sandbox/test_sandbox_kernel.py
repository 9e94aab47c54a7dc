"""A sandboxed kernel is a kernel: cells run, Jupyter's tools take it, it can be interrupted."""

from __future__ import annotations

import ast
import signal
import time
from pathlib import Path

import nbformat
import papermill
import pytest
from nbclient import NotebookClient
from nbformat import v4
from nbgrader.preprocessors import Execute
from sandboxed import Kernel, Start, until
from traitlets.config import Config

from roadmap.grading.sandbox import KERNEL_NAME, ForkServer


def test_cells_run_and_their_outputs_come(kernel: Kernel) -> None:
    assert kernel.run("x = 21; print('hello')") == "hello"
    assert kernel.run("x * 2") == "42"
    assert kernel.run("1 / 0") == "ZeroDivisionError: division by zero"
    assert (
        kernel.run("import asyncio; await asyncio.sleep(0); 'awaited'") == "'awaited'"
    )
    assert kernel.run("input()").startswith("StdinNotImplementedError")


def test_start_takes_a_fraction_of_a_second(start: Start) -> None:
    start()  # the fork server has its imports done now
    begin = time.perf_counter()
    kernel = start()
    ready = time.perf_counter()
    kernel.run("1 + 1")
    print(
        f"kernel started and ready: {ready - begin:.3f} s, of which 0.2 s are "
        f"jupyter_client's pause; first cell: {time.perf_counter() - ready:.3f} s"
    )


def test_programs_run_from_cells(kernel: Kernel) -> None:
    assert kernel.run("%%bash\necho $((6 * 7)); pwd") == "42\n/home/learner/work/ps1"
    assert kernel.run("!echo a terminal") == "a terminal"
    assert (
        kernel.run(
            "import subprocess, sys\n"
            "print(subprocess.check_output([sys.executable, '-c', 'print(6 * 7)'], text=True))"
        )
        == "42"
    )
    assert (
        kernel.run("""
import concurrent.futures, multiprocessing
context = multiprocessing.get_context('fork')
with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
    print(list(pool.map(abs, [-1, -2])))
""")
        == "[1, 2]"
    )


def test_work_folder_is_a_copy_that_cells_may_change(
    start: Start, tmp_path: Path
) -> None:
    work = tmp_path / "ps1"
    (work / "data" / "deep").mkdir(parents=True)
    (work / "data" / "deep" / "books.csv").write_text("Emma")
    (work / "run.sh").write_text("#!/bin/sh\necho ran")
    (work / "run.sh").chmod(0o755)
    kernel = start(work)
    assert kernel.run("import os; os.getcwd()") == "'/home/learner/work/ps1'"
    assert kernel.run("open('data/deep/books.csv').read()") == "'Emma'"
    assert kernel.run("!./run.sh") == "ran"
    assert (
        kernel.run("""
open('data/deep/books.csv', 'w').write('gone'); open('new.txt', 'w').write('new')
os.remove('run.sh'); sorted(os.listdir())""")
        == "['data', 'new.txt']"
    )
    assert (work / "data" / "deep" / "books.csv").read_text() == "Emma"
    assert sorted(path.name for path in work.iterdir()) == ["data", "run.sh"]


def test_shadowing_module_does_not_keep_the_kernel_from_starting(
    start: Start, tmp_path: Path
) -> None:
    for name in ("random", "json", "zmq", "ipykernel"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')")
    (tmp_path / "helper.py").write_text("answer = 42")
    kernel = start(tmp_path)
    assert kernel.run("import random, helper; helper.answer") == "42"
    place = repr(str(tmp_path))
    assert kernel.run(f"import sys; [p for p in sys.path if {place} in p]") == "[]"


def test_infinite_loop_is_interrupted_and_the_kernel_goes_on(kernel: Kernel) -> None:
    kernel.begin("x = 1\nprint('in it', flush=True)\nwhile True: pass")
    _wait_for_output(kernel, "in it")
    kernel.manager.interrupt_kernel()
    assert _reply(kernel) == "KeyboardInterrupt"
    until(lambda: kernel.run("x + 1") == "2")  # cells that come too soon are not run


def test_program_of_a_cell_is_interrupted_too(kernel: Kernel) -> None:
    kernel.begin("%%bash\necho in it; sleep 1000")
    _wait_for_output(kernel, "in it")
    kernel.manager.interrupt_kernel()
    _reply(kernel)
    until(lambda: kernel.run("1 + 1") == "2")


def test_interrupt_reaches_the_process_group(kernel: Kernel) -> None:
    kernel.run("import subprocess; child = subprocess.Popen(['sleep', '1000'])")
    kernel.begin("print('in it', flush=True)\nwhile True: pass")
    _wait_for_output(kernel, "in it")
    kernel.manager.interrupt_kernel()
    assert _reply(kernel) == "KeyboardInterrupt"
    until(lambda: kernel.run("child.poll()") == "-2")


def test_loop_that_swallows_interrupts_is_killed(kernel: Kernel) -> None:
    kernel.begin("""
while True:
    try:
        print('in it', flush=True)
        while True: x = 1
    except KeyboardInterrupt:
        print('again', flush=True)
""")
    _wait_for_output(kernel, "in it")
    kernel.manager.interrupt_kernel()
    _wait_for_output(kernel, "again")
    kernel.manager.shutdown_kernel(now=True)
    assert not kernel.manager.is_alive()
    assert kernel.provisioner.exit_reason == "killed"


def _reply(kernel: Kernel) -> str | None:
    """The exception's name in the reply to the cell that runs."""
    while True:
        message = kernel.client.get_shell_msg(timeout=20)
        if message["msg_type"] == "execute_reply":
            return message["content"].get("ename")


def _wait_for_output(kernel: Kernel, text: str) -> None:
    def seen() -> bool:
        message = kernel.client.get_iopub_msg(timeout=20)
        return text in message["content"].get("text", "")

    until(seen)


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        ("import os; os._exit(3)", "exit", "ended itself with status 3"),
        ("import ctypes; ctypes.string_at(0)", "signal", "died of signal 11"),
        ("import os; os.kill(os.getpid(), 9)", "signal", "died of signal 9"),
        ("import os; os.abort()", "signal", "died of signal 6"),
    ],
)
def test_kernel_that_dies_says_how(
    kernel: Kernel, code: str, reason: str, message: str
) -> None:
    assert kernel.provisioner.exit_reason is None
    assert kernel.dies_of(code) == reason
    assert message in kernel.provisioner.exit_message


def test_kernel_can_be_restarted(kernel: Kernel) -> None:
    kernel.run("x = 1")
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=20)
    assert kernel.run("x").startswith("NameError")


def test_shutdown_request_ends_the_kernel(kernel: Kernel) -> None:
    kernel.client.shutdown()
    until(lambda: not kernel.manager.is_alive())
    assert kernel.provisioner.exit_reason == "exit"


def test_two_kernels_do_not_see_each_other(start: Start) -> None:
    one, other = start(), start()
    one.run("""
import http.server, os, threading
open('/tmp/mine', 'w').write('secret')
open('/dev/shm/mine', 'w').write('secret')
server = http.server.HTTPServer(('127.0.0.1', 8000), http.server.BaseHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
import subprocess; sleeper = subprocess.Popen(['sleep', '1000'])""")
    seen = "import os; [n for d in ('/tmp', '/dev/shm') for n in os.listdir(d) if n == 'mine']"
    assert one.run(seen) == "['mine', 'mine']"
    assert other.run(seen) == "[]"
    assert other.run("import psutil; len(psutil.pids())") == "2"
    assert "sleep" not in other.run("[p.name() for p in psutil.process_iter()]")
    assert other.run(
        "import socket; socket.create_connection(('127.0.0.1', 8000))"
    ).startswith("ConnectionRefusedError")
    for kernel, flags, got in ((one, 0o1600, "True"), (other, 0o600, "False")):
        code = f"import ctypes; ctypes.CDLL(None).shmget(4242, 56, {flags}) >= 0"
        assert kernel.run(code) == got
    assert other.run("os.kill(-1, 15)").startswith("ProcessLookupError")
    assert one.run("sleeper.poll() is None") == "True"


def test_random_numbers_differ_between_kernels(start: Start) -> None:
    code = "import random, tempfile, uuid; random.random(), tempfile.mktemp(), uuid.uuid4()"
    assert start().run(code) != start().run(code)


def test_nbclient_runs_notebooks_in_it(server: ForkServer, tmp_path: Path) -> None:
    nb = _notebook("import os; print(os.getuid(), os.getcwd())")
    NotebookClient(
        nb, kernel_name=KERNEL_NAME, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert nb.cells[0].outputs[0].text == f"1000 /home/learner/work/{tmp_path.name}\n"


def test_nbgrader_runs_notebooks_in_it_by_configuration(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    config = Config()
    config.ExecutePreprocessor.kernel_name = KERNEL_NAME
    config.SandboxProvisioner.process_limit = 77
    nb = _notebook(
        "import os, resource; os.environ['NBGRADER_EXECUTION'], os.getuid(), "
        "resource.getrlimit(resource.RLIMIT_NPROC)[0]"
    )
    Execute(config=config).preprocess(nb, {"metadata": {"path": str(tmp_path)}})
    assert nb.cells[0].outputs[0].data["text/plain"] == "('autograde', 1000, 77)"


def test_papermill_runs_notebooks_in_it(server: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("data")
    nbformat.write(_notebook("import os; os.listdir()"), tmp_path / "in.ipynb")
    nb = papermill.execute_notebook(
        tmp_path / "in.ipynb",
        None,
        cwd=tmp_path,
        kernel_name=KERNEL_NAME,
        progress_bar=False,
    )
    seen = nb.cells[0].outputs[0].data["text/plain"]
    assert sorted(ast.literal_eval(seen)) == ["data.txt", "in.ipynb"]


def _notebook(*sources: str) -> nbformat.NotebookNode:
    kernelspec = {"name": "python3", "language": "python", "display_name": "Python 3"}
    cells = [v4.new_code_cell(source) for source in sources]
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec})


def test_signals_reach_the_kernel(kernel: Kernel) -> None:
    kernel.run("import signal; got = []; signal.signal(10, lambda n, f: got.append(n))")
    kernel.manager.signal_kernel(signal.SIGUSR1)
    assert kernel.run("import time; time.sleep(0.1); [int(n) for n in got]") == "[10]"
