"""Kernels on one socket, whose parts the fork server has made beforehand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nbformat import v4

from roadmap.grading.kernel import execute
from roadmap.grading.kernels import ExecuteSettings
from roadmap.grading.sandbox import ForkServer

SETTINGS = ExecuteSettings(None, (), 60.0, 20.0, 60.0, 100_000, 2**31)
STATE = """
import os, signal, sys, threading
shell = get_ipython()
print(sys.path, sys.argv, os.getcwd(), _dh, sorted(os.environ.items()))
print([kernel.profile_dir.location for kernel in (shell, shell.kernel, shell.parent.parent)])
print(shell.ipython_dir, shell.db.root, sorted(os.listdir(shell.profile_dir.location)))
print(threading.active_count(), len(os.listdir('/proc/self/fd')), shell.kernel.session.pid)
print(signal.getsignal(signal.SIGINT), sorted(globals()), shell.history_manager.session_number)
"""
OWN = "import random, uuid; print(random.random(), uuid.uuid4(), shell.kernel.session.session)"


def _printed(server: ForkServer, folder: Path, *arguments: str) -> list[str]:
    nb = v4.new_notebook(cells=[v4.new_code_cell(STATE), v4.new_code_cell(OWN)])
    work = folder / "work"
    work.mkdir(exist_ok=True)
    settings = replace(
        SETTINGS, sandbox=server.address, extra_arguments=tuple(arguments)
    )
    outcome = execute(nb, work, folder, settings, lambda index, run: None)
    assert outcome.status == "graded"
    return ["".join(o.get("text", o) for o in cell.outputs) for cell in nb.cells]


def test_kernel_made_beforehand_is_as_a_new_one(
    server: ForkServer, tmp_path: Path
) -> None:
    state, own = _printed(server, tmp_path)
    assert "/home/learner/work/work" in state
    again, others = _printed(server, tmp_path)
    assert state == again
    assert not set(own.split()) & set(others.split())
    # With other arguments than it was made with, it is made anew.
    new, _ = _printed(server, tmp_path, "--InteractiveShell.cache_size=500")
    assert state == new
