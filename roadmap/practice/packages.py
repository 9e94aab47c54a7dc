"""Import a package that a notebook writes, as its files are now."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


def fresh_package(
    name: str, folder: str | os.PathLike[str], *, also: Iterable[str] = ()
) -> ModuleType:
    """Import ``name``, a package or a module in one (``library.items``), from ``folder``.

    What was imported of that package before, from wherever, is forgotten first, and
    compiled copies beside the files are neither read nor written: it is always the text
    that is in the files now. Modules that the package imports itself come along; ``also``
    names more of them, to be found in ``sys.modules``.

    Raises:
        ImportError: a file is missing, or has raised while it was run. The message is one
            line that names the file, and the line in it.
    """
    place = Path(folder)
    _forget(name)
    try:
        with _importing_from(place):
            module = importlib.import_module(name)
            for other in also:
                importlib.import_module(other)
            return module
    except (Exception, SystemExit) as error:
        _forget(name)
        raise ImportError(_in_one_line(error, name, place)) from error


def _forget(name: str) -> None:
    package = name.partition(".")[0]
    for other in list(sys.modules):
        if other == package or other.startswith(f"{package}."):
            del sys.modules[other]


@contextmanager
def _importing_from(place: Path) -> Iterator[None]:
    """Look there first; compiled files are looked for where there are none.

    A compiled file is told from an old one by its source's second and size, so that of
    two versions written within a second the wrong one could be read.
    """
    path, prefix, silent = sys.path[:], sys.pycache_prefix, sys.dont_write_bytecode
    with tempfile.TemporaryDirectory(prefix="roadmap-") as empty:
        sys.path.insert(0, str(place.resolve()))
        sys.pycache_prefix, sys.dont_write_bytecode = empty, True
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path[:] = path
            sys.pycache_prefix, sys.dont_write_bytecode = prefix, silent


def _in_one_line(error: BaseException, name: str, place: Path) -> str:
    if isinstance(error, ModuleNotFoundError) and _is_of(name, error.name):
        missing = place.joinpath(*str(error.name).split("."))
        return f"{missing}.py is not there: run the cell that writes it, and those above it"
    where = _where(error, place)
    if isinstance(error, NotImplementedError):
        return f"{where}: {error}. Answer that step first, and run its cell"
    what = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(f"{where}: {type(error).__name__}: {what}".split())


def _is_of(name: str, missing: str | None) -> bool:
    """Whether the missing module belongs to the package that was asked for."""
    return (missing or "").partition(".")[0] == name.partition(".")[0]


def _where(error: BaseException, place: Path) -> str:
    """The file below ``place``, and the line in it, where the error came up."""
    calls = [
        (call.filename, call.lineno)
        for call in traceback.extract_tb(error.__traceback__)
    ]
    if isinstance(error, SyntaxError) and error.filename:
        calls.append((error.filename, error.lineno))
    for file, line in reversed(calls):
        if Path(file).is_relative_to(place.resolve()):
            return f"{place / Path(file).relative_to(place.resolve())}, line {line}"
    return str(place)
