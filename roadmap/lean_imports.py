"""Imported before anything else by programs that have to start quickly.

With it nbgrader is imported in half of the time, because what is never used is left out:

- What jsonschema, with which nbformat validates notebooks, checks addresses, dates and
  colours with: no notebook has a field of those formats. jsonschema does without these
  packages where they are not installed, so they pretend not to be.
- What packages only gather in their ``__init__``. There nbgrader imports Jupyter's server,
  and nbconvert its converters to everything. A package in ``_GATHERING`` imports each of
  them when it is first asked for it.
"""

from __future__ import annotations

import ast
import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_FORMATS = (
    "fqdn",
    "isoduration",
    "rfc3339_validator",
    "rfc3986_validator",
    "rfc3987",
    "rfc3987_syntax",  # takes longer than all other imports together
    "uri_template",
    "webcolors",
)
_GATHERING = (
    "nbconvert",
    "nbconvert.exporters",
    "nbconvert.filters",
    "nbconvert.postprocessors",
    "nbconvert.preprocessors",
    "nbgrader",
    "nbgrader.apps",
    "nbgrader.auth",
    "nbgrader.converters",
    "nbgrader.exchange",
    "nbgrader.exchange.abc",
    "nbgrader.exchange.default",
    "nbgrader.plugins",
    "nbgrader.preprocessors",
)


@contextmanager
def uncollected() -> Iterator[None]:
    """For imports: what they make stays, and to look for garbage in it takes a third of them."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class _Package(ModuleType):
    """A package whose ``__init__`` is read, not run; ``_source`` says where a name is from."""

    _source: dict[str, tuple[str, str]]

    def __getattr__(self, name: str) -> Any:
        """What is not there yet: a name that ``__init__`` gathers, or a submodule."""
        try:
            if name not in self._source:
                return import_module(f"{self.__name__}.{name}")
            module, original = self._source[name]
            value = getattr(import_module(module, self.__name__), original)
        except ModuleNotFoundError as error:
            raise AttributeError(f"{self.__name__} has no {name}: {error}") from error
        setattr(self, name, value)
        return value


class _Reader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        """Make it a :class:`_Package`."""
        init = ast.parse(self.get_data(self.path))
        vars(module)["_source"] = {
            alias.asname or alias.name: ("." * node.level + node.module, alias.name)
            for node in ast.walk(init)
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }
        module.__class__ = _Package


class _Finder(PathFinder):
    @classmethod
    def find_spec(
        cls,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """As the ordinary one, but for the packages in ``_GATHERING``."""
        if fullname not in _GATHERING:
            return None
        spec = super().find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Reader(fullname, spec.origin)
        return spec


for _name in _FORMATS:
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]  # "not installed"
sys.meta_path.insert(0, _Finder)
