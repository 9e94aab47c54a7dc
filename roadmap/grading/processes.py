"""Trees of processes: how much memory they hold, and how to end them for good."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil

MAX_ROUNDS = 50


def descendants(pid: int) -> list[psutil.Process]:
    """All processes below ``pid`` that still run."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def memory(pid: int, enough: int) -> int:
    """Bytes that ``pid`` and all below it hold; exact only when it is more than ``enough``.

    Pages that processes share count once for each in the quick sum, so that sum
    is only believed when it stays below ``enough``.
    """
    processes = descendants(pid)
    with suppress(psutil.NoSuchProcess):
        processes.append(psutil.Process(pid))
    quick = sum(_rss(process) for process in processes)
    return (
        quick
        if quick <= enough
        else sum(_proportional(process) for process in processes)
    )


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _proportional(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
    except psutil.Error:
        return _rss(process)
    return int(getattr(full, "pss", full.uss))


def kill_descendants(pid: int) -> bool:
    """End all processes below ``pid``, which stays; tells if there were any.

    They are stopped before they are killed, or a fork bomb would be faster.
    """
    if pid == os.getpid() and _reap():
        return False  # to look through all processes of the machine takes longer
    found = False
    for _ in range(MAX_ROUNDS):
        below = [p for p in descendants(pid) if not _is_zombie(p)]
        if not below:
            break
        found = True
        for end in (psutil.Process.suspend, psutil.Process.kill):
            for process in below:
                with suppress(psutil.Error):
                    end(process)
        psutil.wait_procs(below, timeout=0.5)
    if pid == os.getpid():
        _reap()
    return found


def kill_tree(pid: int) -> None:
    """End ``pid`` and everything below it."""
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        root.suspend()
        kill_descendants(pid)
        root.kill()


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def _reap() -> bool:
    """Let go of this process's children that have ended; tells if that was all of them."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False
