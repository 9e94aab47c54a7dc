"""The system calls that notebooks do without; a seccomp(2) filter.

Namespaces and Landlock say which objects a process can name. The filter takes away what
is not about names, or has names that no namespace divides:

- memory that no process's size shows (memfd_create, large System V segments), so that
  the limit on memory holds;
- sockets other than Unix's and the Internet's: vsock(7), for one, leads from any network
  namespace of a virtual machine to its host;
- the kernel's log and keyrings, which are the host's;
- doors into the kernel that have been broken more often than others (bpf, io_uring,
  userfaultfd, perf, ptrace).

A filtered call fails with ENOSYS, as on a kernel that was built without it: that is
what programs have a second way for. PostgreSQL, which takes a System V segment of some
bytes as a lock, works.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import socket

from roadmap.grading.sandbox import linux

# Numbers of asm/unistd.h. A call that an architecture does not have is left out.
_CALLS = {
    "x86_64": {
        "semget": 64,
        "msgget": 68,
        "ptrace": 101,
        "syslog": 103,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "unshare": 272,
        "perf_event_open": 298,
        "setns": 308,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "kcmp": 312,
        "memfd_create": 319,
        "bpf": 321,
        "userfaultfd": 323,
    },
    "aarch64": {
        "unshare": 97,
        "syslog": 116,
        "ptrace": 117,
        "msgget": 186,
        "semget": 190,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "perf_event_open": 241,
        "setns": 268,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "kcmp": 272,
        "memfd_create": 279,
        "bpf": 280,
        "userfaultfd": 282,
    },
}
_EVERYWHERE = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "memfd_secret": 447,
}
_SHMGET = {"x86_64": 29, "aarch64": 194}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
_LARGEST_SEGMENT = 64 * 1024  # there can be 4096 of them
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_SECCOMP_MODE_FILTER = 2
_RET_ALLOW = 0x7FFF0000
_RET_ERRNO = 0x00050000
# Where struct seccomp_data has its fields, on little-endian machines.
_NUMBER, _ARCH, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24
_LOAD, _EQUAL, _GREATER, _AT_LEAST, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x06


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jump_true", ctypes.c_uint8),
        ("jump_false", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_uint16),
        ("instructions", ctypes.POINTER(_Instruction)),
    )


def supported() -> bool:
    """Tell whether the numbers of this processor's system calls are known."""
    return platform.machine() in _CALLS


def apply() -> None:
    """Filter the calls of this thread and all it will start; it cannot be undone.

    Needs no_new_privs (or CAP_SYS_ADMIN).

    Raises:
        OSError: the kernel refuses the filter.
    """
    instructions = _filter(platform.machine())
    array = (_Instruction * len(instructions))(
        *[_Instruction(*fields) for fields in instructions]
    )
    program = _Program(len(instructions), array)
    linux.prctl(linux.PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.pointer(program))


def _filter(machine: str) -> list[tuple[int, int, int, int]]:
    """Berkeley packet filter code: (operation, jump if true, jump if false, operand)."""
    refuse = (_RETURN, 0, 0, _RET_ERRNO | errno.ENOSYS)
    program = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        refuse,  # the 32-bit calls of the same processor, which have other numbers
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        program += [(_AT_LEAST, 0, 1, _X32_BIT), refuse]
    for number in {**_CALLS[machine], **_EVERYWHERE}.values():
        program += [(_EQUAL, 0, 1, number), refuse]
    allow = (_RETURN, 0, 0, _RET_ALLOW)
    small_segment = [
        (_LOAD, 0, 0, _ARGUMENT_1 + 4),  # the upper half of its size
        (_GREATER, 2, 0, 0),
        (_LOAD, 0, 0, _ARGUMENT_1),
        (_GREATER, 0, 1, _LARGEST_SEGMENT),
        refuse,
        allow,
    ]
    known_family = [(_LOAD, 0, 0, _ARGUMENT_0)]
    for family in _FAMILIES:
        known_family += [(_EQUAL, 0, 1, family), allow]
    known_family.append((_RETURN, 0, 0, _RET_ERRNO | errno.EAFNOSUPPORT))
    for number, check in (
        (_SHMGET[machine], small_segment),
        (_SOCKET[machine], known_family),
    ):
        program += [(_EQUAL, 0, len(check), number), *check]
    return [*program, allow]
