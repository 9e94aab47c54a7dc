"""Put a process and all that it will start into a room of its own.

What the kernel offers, and what each defends against; the manual page is the source.

==================  =========================================================================
user_namespaces(7)  The user inside is not the grader and not root: 1000 inside is an
                    unprivileged user outside. Privileges over the room's own namespaces
                    end before student code runs; max_user_namespaces is 0, so that no
                    new ones can be had that way (most kernel holes of this kind need it).
mount_namespaces(7) The file system is built anew, by what is allowed: system and
pivot_root(2)       interpreter read-only, and one sized tmpfs for all that is written. What
mount_setattr(2)    was not put there has no name: gradebook, other students, homes, sockets
                    of daemons. A symlink leads nowhere. A full disk is the room's own.
pid_namespaces(7)   Other processes cannot be seen, signalled or traced. When the first
                    process ends, the kernel (Linux) kills every other one, daemons too.
network_namespaces  No interface but a loopback of its own: nothing of the host's network,
(7)                 loopback or abstract sockets.
ipc_namespaces(7)   No System V memory or message queues of others, none left behind.
uts_namespaces(7),  The host's name, and that of the container or session that the
cgroup_namespaces   grader runs in, stay unknown.
(7)
capabilities(7)     All dropped, from the bounding set too. With no_new_privs a setuid
PR_SET_NO_NEW_PRIVS program gives none back.
landlock(7)         The same file rules once more, by another mechanism: a hole in the
                    mount namespace is not yet a hole. No signals to the outside either.
cgroups(7)          Memory and processes of the whole tree, at once; see ``cgroup``. Only
                    where one was delegated to the grader.
seccomp(2)          Calls that get round the limits or the namespaces; see ``filter``.
getrlimit(2)        Processes and threads, open files, size of a file, processor time, no
                    core dumps. Memory of the whole tree is the supervisor's to watch.
PR_SET_PDEATHSIG    The first process dies with the supervisor, and so everything does.
PR_SET_DUMPABLE     0 for the first process: the others, although of the same user, cannot
                    read its memory or files. The notebook's process keeps 1: it may look
                    at itself (psutil, debuggers), and nobody else is there to.
==================  =========================================================================

Whoever is root sets the room up as root, so that folders only root may enter can be
shown in part, and drops to ``nobody`` inside. Others set it up in their own user
namespace. If a step fails, so does the start: nothing ever runs with less.
"""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path

from py_landlock import AccessFs, Landlock, LandlockError

from roadmap.grading.sandbox import filter as call_filter
from roadmap.grading.sandbox import linux
from roadmap.grading.sandbox.filesystem import DEVICES
from roadmap.grading.sandbox.request import Limits, SandboxError
from roadmap.grading.sandbox.room import (
    INSIDE_ID,
    NOBODY,
    READABLE,
    SCRATCH,
    SYSTEM,
    is_root,
    step,
)


def landlock_missing() -> str | None:
    """Why Landlock does not work here; None: it does.

    py_landlock looks for the C library at its first use, with a process, which takes as
    long as all the rest: the fork server asks once, so that kernels need not.
    """
    try:
        return None if Landlock().abi_version else "no version of it"
    except LandlockError as error:
        return str(error)


def number_anew() -> None:
    """Have the next child be the first of new process ids.

    Raises:
        SandboxError: the host does not allow it.
    """
    if is_root():
        with step("namespaces"):
            linux.unshare(linux.CLONE_NEWPID)
        return
    with step("user and other namespaces"):
        _take_user_namespace(linux.CLONE_NEWPID)


def leave_host() -> None:
    """Take new namespaces; those of users and process ids are left.

    Raises:
        SandboxError: the host does not allow it.
    """
    with step("namespaces"):
        linux.unshare(
            linux.CLONE_NEWNS
            | linux.CLONE_NEWNET
            | linux.CLONE_NEWIPC
            | linux.CLONE_NEWUTS
            | linux.CLONE_NEWCGROUP
        )
    with step("the loopback interface"):
        linux.loopback_up()
    with step("the host name"):
        socket.sethostname("sandbox")


def _take_user_namespace(others: int = 0) -> None:
    """Be INSIDE_ID in a new user namespace; user_namespaces(7)."""
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER | others)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{INSIDE_ID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{INSIDE_ID} {gid} 1")


def restrict(limits: Limits) -> None:
    """Give up every privilege there is, for good.

    Raises:
        SandboxError: one of them would stay.
    """
    with step("the priority for the out-of-memory killer"):
        Path("/proc/self/oom_score_adj").write_text("1000")
    with step("the user"):
        if is_root():
            _become_nobody()
        # The room was made from another: privileges over it end here, and the limit of
        # processes counts only those of this one, not the supervisor.
        _take_user_namespace()
    with step("no nested user namespaces"):
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
    with step("resource limits"):
        _set_limits(limits)
    with step("capabilities"):
        linux.drop_capabilities()
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    with step("Landlock"):
        _restrict_files()
    with step("the filter of system calls"):
        if not call_filter.supported():
            raise SandboxError("this processor's system calls are not known")
        call_filter.apply()
    linux.prctl(linux.PR_SET_DUMPABLE, 0)


def _become_nobody() -> None:
    """Be an unprivileged user, in a room that root made, who may make a user namespace."""
    os.setgroups([])
    linux.prctl(linux.PR_SET_KEEPCAPS, 1)
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    # Some systems let only the privileged make a user namespace with rights in it.
    linux.raise_capabilities()
    linux.prctl(linux.PR_SET_DUMPABLE, 1)  # or its files in /proc are root's


def _set_limits(limits: Limits) -> None:
    values = {
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_FSIZE: limits.disk,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_MEMLOCK: 64 * 1024,
        resource.RLIMIT_CORE: 0,
    }
    for name, value in values.items():
        hard = resource.getrlimit(name)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(name, (value, value))


def _restrict_files() -> None:
    write = (
        AccessFs.MAKE_REG
        | AccessFs.MAKE_DIR
        | AccessFs.MAKE_SYM
        | AccessFs.MAKE_SOCK
        | AccessFs.MAKE_FIFO
        | AccessFs.REMOVE_FILE
        | AccessFs.REMOVE_DIR
        | AccessFs.WRITE_FILE
        | AccessFs.REFER
        | AccessFs.TRUNCATE
    )
    read = AccessFs.READ_FILE | AccessFs.READ_DIR
    device = AccessFs.READ_FILE | AccessFs.WRITE_FILE | AccessFs.IOCTL_DEV
    programs = [path for path in SYSTEM if Path(path).is_dir()] + READABLE
    # Not strict: an older kernel knows fewer rights, and cannot grant them either.
    rules = Landlock(strict=False).allow_all_network()
    try:
        rules.add_path_rule("/", access=read)
        rules.add_path_rule(*programs, access=AccessFs.EXECUTE)
        rules.add_path_rule(*SCRATCH, access=write | AccessFs.EXECUTE)
        rules.add_path_rule(*[f"/dev/{name}" for name in DEVICES], access=device)
        rules.add_path_rule("/dev/pts", access=device)
        rules.apply()
    except LandlockError as error:
        raise SandboxError(f"Landlock: {error}") from error
