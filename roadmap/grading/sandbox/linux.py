"""The system calls of a sandbox that Python 3.11 has no functions for.

Each raises OSError with the kernel's reason. The names are those of the man pages.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4
# These calls have the same number on every architecture (unistd.h).
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_MOUNT_SETATTR = 442

_CAPABILITY_VERSION_3 = 0x20080522
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, call: str) -> int:
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{call}: {os.strerror(error)}")
    return result


def _syscall(call: str, number: int, *arguments: object) -> int:
    _libc.syscall.restype = ctypes.c_long
    return _checked(_libc.syscall(ctypes.c_long(number), *arguments), call)


def unshare(flags: int) -> None:
    """unshare(2): leave the namespaces that ``flags`` names for new ones."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def prctl(option: int, argument: int = 0, pointer: object = None) -> None:
    """prctl(2) with one or two arguments."""
    nothing = ctypes.c_ulong(0)
    arguments = (ctypes.c_ulong(argument), pointer or nothing, nothing, nothing)
    _checked(_libc.prctl(ctypes.c_int(option), *arguments), "prctl")


def mount(kind: str | None, target: str, flags: int, options: str = "") -> None:
    """mount(2) of a new file system of that kind, or only new ``flags``."""
    name = kind.encode() if kind else None
    arguments = (os.fsencode(target), name, ctypes.c_ulong(flags), options.encode())
    _checked(_libc.mount(name, *arguments), f"mount {kind or 'flags'} on {target}")


def umount(target: str) -> None:
    """umount2(2), at once for all who look and in full when the last one left."""
    _checked(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def pivot_root_here() -> None:
    """Make the working directory the root and drop the old one; see pivot_root(2)."""
    _checked(_libc.pivot_root(b".", b"."), "pivot_root")
    umount(".")
    os.chdir("/")


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def bind(source: str, target: str, attributes: int) -> None:
    """Show ``source``, and all that is mounted below it, at ``target`` too.

    The copy is made, given its ``attributes`` (mount_setattr(2)), and only then put in
    place: it is at no time there with more rights.
    """
    tree = _syscall(
        f"open_tree {source}",
        _SYS_OPEN_TREE,
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(source),
        ctypes.c_uint(_OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC),
    )
    try:
        set_attributes(tree, "", attributes, recursive=True)
        _syscall(
            f"move_mount {target}",
            _SYS_MOVE_MOUNT,
            ctypes.c_int(tree),
            b"",
            ctypes.c_int(_AT_FDCWD),
            os.fsencode(target),
            ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH),
        )
    finally:
        os.close(tree)


def set_attributes(
    tree: int, path: str, attributes: int, *, recursive: bool = False
) -> None:
    """mount_setattr(2): add ``attributes`` to the mount at ``path``, or ``tree`` itself."""
    attr = _MountAttr(attr_set=attributes)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    _syscall(
        "mount_setattr",
        _SYS_MOUNT_SETATTR,
        ctypes.c_int(tree),
        os.fsencode(path),
        ctypes.c_uint(flags),
        ctypes.byref(attr),
        ctypes.c_size_t(ctypes.sizeof(attr)),
    )


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def raise_capabilities() -> None:
    """Make all permitted capabilities effective; capset(2)."""
    header, data = _CapHeader(_CAPABILITY_VERSION_3, 0), (_CapData * 2)()
    _checked(_libc.capget(ctypes.byref(header), data), "capget")
    for word in data:
        word.effective = word.permitted
    _checked(_libc.capset(ctypes.byref(header), data), "capset")


def drop_capabilities() -> None:
    """Give up every capability, and the way back to any; capabilities(7)."""
    last = int(_read("/proc/sys/kernel/cap_last_cap"))
    for capability in range(last + 1):
        prctl(PR_CAPBSET_DROP, capability)
    header, data = _CapHeader(_CAPABILITY_VERSION_3, 0), (_CapData * 2)()
    _checked(_libc.capset(ctypes.byref(header), data), "capset")


def _read(path: str) -> str:
    with open(path) as file:  # noqa: PTH123
        return file.read()


def loopback_up() -> None:
    """Switch on the loopback interface of this network namespace; netdevice(7)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("16xh", answer)
        request = struct.pack("16sh14x", b"lo", flags | _IFF_UP)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)
