"""The file system of a sandbox: made anew, of what is allowed and nothing else."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from roadmap.grading.sandbox import linux
from roadmap.grading.sandbox.request import SandboxError
from roadmap.grading.sandbox.room import (
    HOME,
    INSIDE_ID,
    NOBODY,
    READABLE,
    SCRATCH,
    SYSTEM,
    USER,
    Room,
    is_root,
    step,
)

# Bytes of the file system that holds only folders to mount on and a few lines of /etc.
_ROOT_SIZE = 4 * 1024**2
_INODES = 65536


_ETC = (
    "alternatives",
    "fonts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "os-release",
    "protocols",
    "services",
    "ssl",
    "pki",
    "ca-certificates",
)
_ETC_TEXT = {
    "passwd": (
        "root:x:0:0:root:/nonexistent:/bin/false\n"
        f"{USER}:x:{INSIDE_ID}:{INSIDE_ID}:Learner:{HOME}:/bin/sh\n"
        f"nobody:x:{NOBODY}:{NOBODY}:nobody:/nonexistent:/bin/false\n"
    ),
    "group": f"root:x:0:\n{USER}:x:{INSIDE_ID}:\nnogroup:x:{NOBODY}:\n",
    "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\n",
    "hostname": "sandbox\n",
}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}


def build_root(room: Room) -> None:
    """Mount the new root at ``room.base``: nothing is in it but what is put here.

    Raises:
        SandboxError: a mount fails, or the work folder cannot be shown without more.
    """
    root = room.base
    with step("a private view of the mounts"):
        linux.mount(None, "/", linux.MS_REC | linux.MS_PRIVATE)
        linux.mount(
            "tmpfs",
            str(root),
            linux.MS_NOSUID | linux.MS_NODEV,
            f"size={_ROOT_SIZE},mode=755",
        )
    with step("the system, read-only"):
        _show_system(root)
    with step("/etc"):
        _make_etc(root)
    with step("/dev"):
        _make_devices(root)
    (root / "proc").mkdir()
    with step("the disk"):
        _make_scratch(room)
    # After the disk, which would cover an environment that lies in /tmp or below the home.
    with step("the interpreter, read-only"):
        _show_interpreter(room)
    with step("the work folder"):
        _copy_work(room)
    with step("a read-only root"):
        linux.set_attributes(-1, str(root), linux.MOUNT_ATTR_RDONLY)


def _show(root: Path, path: str, attributes: int) -> None:
    """Make a file or folder of the host appear at the same place in the new root."""
    target = root / path.lstrip("/")
    if Path(path).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    linux.bind(path, str(target), attributes)


_READ_ONLY = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV


def _show_system(root: Path) -> None:
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            (root / path.name).symlink_to(path.readlink())
        elif path.is_dir():
            _show(root, str(path), _READ_ONLY)


def _show_interpreter(room: Room) -> None:
    cwd = room.cwd.resolve() if room.cwd else None
    for path in (*SYSTEM, *READABLE):
        if cwd and cwd.is_relative_to(path):
            raise SandboxError(
                f"{room.cwd}: lies inside {path}, which every notebook can read; "
                "move the course or the virtual environment"
            )
    for path in READABLE:
        _show(room.base, path, _READ_ONLY)


def _make_etc(root: Path) -> None:
    etc = root / "etc"
    etc.mkdir()
    for name, text in _ETC_TEXT.items():
        (etc / name).write_text(text)
    for name in _ETC:
        if Path("/etc", name).exists():
            _show(root, f"/etc/{name}", _READ_ONLY)


def _make_devices(root: Path) -> None:
    dev = root / "dev"
    for name in ("pts", "shm"):
        (dev / name).mkdir(parents=True)
    for name in DEVICES:
        _show(root, f"/dev/{name}", linux.MOUNT_ATTR_NOSUID)
    for name, target in _DEVICE_LINKS.items():
        (dev / name).symlink_to(target)
    linux.mount(
        "devpts",
        str(dev / "pts"),
        linux.MS_NOSUID | linux.MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=0620",
    )


def _make_scratch(room: Room) -> None:
    """One file system for all that may be written, so that there is one limit to it."""
    scratch = room.base / "scratch"
    scratch.mkdir()
    options = f"size={room.limits.disk},nr_inodes={_INODES},mode=755"
    linux.mount("tmpfs", str(scratch), linux.MS_NOSUID | linux.MS_NODEV, options)
    for place, rights in SCRATCH.items():
        folder = scratch / place.strip("/").replace("/", "-")
        folder.mkdir()
        folder.chmod(rights)
        _own(folder)
        target = room.base / place.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        linux.bind(str(folder), str(target), 0)
    linux.umount(str(scratch))
    scratch.rmdir()


def _copy_work(room: Room) -> None:
    folder = room.base / HOME.lstrip("/")
    for name in Path(room.work).relative_to(HOME).parts:
        folder /= name
        folder.mkdir()
        _own(folder)
    if room.cwd is not None:
        copy_tree(room.cwd, folder)


def copy_tree(source: Path, target: Path) -> None:
    """Copy folders, files and symlinks as such; nothing is followed, no device opened.

    Raises:
        OSError: something cannot be read, or the disk is full.
    """
    left = [(source, target)]
    while left:
        folder, copies = left.pop()
        for entry in os.scandir(folder):
            copy = copies / entry.name
            if entry.is_symlink():
                copy.symlink_to(os.readlink(entry))  # noqa: PTH115  # of an entry
            elif entry.is_dir():
                copy.mkdir()
                left.append((Path(entry), copy))
            elif entry.is_file():
                _copy_file(entry, copy)
            else:
                continue
            _own(copy)


def _copy_file(entry: os.DirEntry[str], copy: Path) -> None:
    shutil.copyfile(entry, copy)
    info = entry.stat()
    copy.chmod(stat.S_IMODE(info.st_mode) & 0o777 | stat.S_IRUSR | stat.S_IWUSR)
    os.utime(copy, ns=(info.st_atime_ns, info.st_mtime_ns))


def _own(path: Path) -> None:
    """Give it to the user that notebooks will be."""
    if is_root():
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def enter_root(room: Room) -> None:
    """Make the new root the only one. The caller is the first of its process ids.

    Raises:
        SandboxError: a mount fails.
    """
    with step("/proc of the room's own processes"):
        flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
        linux.mount("proc", str(room.base / "proc"), flags)
    with step("a new root"):
        os.chdir(room.base)
        linux.pivot_root_here()
