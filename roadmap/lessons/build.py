"""``course/`` → ``source/`` → ``release/``: deterministic, incremental, all or nothing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from roadmap.errors import RoadmapError
from roadmap.lessons.files import COURSE, NBGRADER_CONFIG, OUTPUTS, digest, read_tree

STAMP = Path(".roadmap", "build.json")
SHAPING = (
    "jupytext",
    "nbformat",
    "nbgrader",
)  # packages whose version shapes a notebook


@dataclass(frozen=True)
class BuildReport:
    """What a build did, or would do: paths relative to the root."""

    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0

    @property
    def stale(self) -> list[str]:
        return sorted(self.written + self.removed)


@dataclass
class _Stamp:
    """What the last build read and made; a build whose stamp still holds has nothing to do."""

    inputs: str = ""
    outputs: str = ""
    made_by: str = ""
    released: dict[str, list[str]] = field(
        default_factory=dict
    )  # path → [source, release] digests


def build(root: Path, *, check: bool = False) -> BuildReport:
    """Bring ``source/`` and ``release/`` in line with ``course/``.

    With ``check`` everything is made anew and compared, and nothing is written.
    Without, only what changed is made and written, and what has no lesson any
    more is removed.

    Raises:
        LessonError: lessons break build rules; source/ and release/ are as they were.
        RoadmapError: nbgrader refuses a notebook, or a file cannot be written; likewise.
    """
    inputs, made_by = _digest_inputs(root), _digest_tools(root)
    stamp = _Stamp() if check else _read_stamp(root)
    current = read_tree(root, OUTPUTS)
    if (
        stamp.inputs == inputs
        and stamp.made_by == made_by
        and stamp.outputs == digest(current)
    ):
        return BuildReport(unchanged=len(current))
    known = stamp.released if stamp.made_by == made_by else {}
    # Jupytext and nbformat take two seconds to import; a build without changes needs neither.
    from roadmap.lessons.make import make

    wanted, released = make(root, current, known)
    report = BuildReport(
        written=sorted(path for path in wanted if current.get(path) != wanted[path]),
        removed=sorted(current.keys() - wanted.keys()),
        unchanged=sum(current.get(path) == wanted[path] for path in wanted),
    )
    if not check:
        try:
            _write(
                root, {path: wanted[path] for path in report.written}, report.removed
            )
            _write_stamp(root, _Stamp(inputs, digest(wanted), made_by, released))
        except OSError as error:
            place = error.filename or root
            raise RoadmapError(f"{place}: {error.strerror}; build again") from error
    return report


def _write(root: Path, written: Mapping[str, bytes], removed: Iterable[str]) -> None:
    """All or nothing as far as files allow: every new file is on disk before one is replaced."""
    (root / STAMP.parent).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=root / STAMP.parent, prefix="build-"
    ) as folder:
        staged = []
        for number, (path, data) in enumerate(written.items()):
            temporary = Path(folder, str(number))
            temporary.write_bytes(data)
            staged.append((temporary, root / path))
        for temporary, target in staged:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(target)
    for path in removed:
        (root / path).unlink()
        for parent in list((root / path).parents)[:-1]:
            if parent.parent == root or any(parent.iterdir()):
                break
            parent.rmdir()


def _digest_inputs(root: Path) -> str:
    return digest(read_tree(root, (COURSE,)))


def _digest_tools(root: Path) -> str:
    """Whatever else shapes the output: this package, nbgrader and its settings."""
    code = {path.name: path.read_bytes() for path in Path(__file__).parent.glob("*.py")}
    settings = root / NBGRADER_CONFIG
    if settings.is_file():
        code[settings.name] = settings.read_bytes()
    for package in SHAPING:
        code[package] = version(package).encode()
    return digest(code)


def _read_stamp(root: Path) -> _Stamp:
    try:
        return _Stamp(**json.loads((root / STAMP).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return _Stamp()  # no stamp, or another version's: everything is built anew


def _write_stamp(root: Path, stamp: _Stamp) -> None:
    temporary = root / STAMP.with_suffix(".tmp")
    temporary.write_text(json.dumps(vars(stamp), indent=1), encoding="utf-8")
    temporary.replace(root / STAMP)
