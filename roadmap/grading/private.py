"""A course directory of our own inside the course: for the demo class, for one's own work."""

from __future__ import annotations

import shutil
from pathlib import Path

from roadmap.errors import RoadmapError

CONFIG = '''\
"""{about}: the course's settings in a folder of its own."""

from pathlib import Path

c = get_config()  # noqa: F821
load_subconfig("nbgrader_config.py", path={settings!r})  # noqa: F821

ROOT = Path(__file__).resolve().parent
c.CourseDirectory.root = str(ROOT)
c.CourseDirectory.db_url = f"sqlite:///{{ROOT / 'gradebook.db'}}"
{more}
'''


def make_private_course(
    root: Path,
    folder: Path,
    assignment: str,
    kinds: tuple[str, ...],
    about: str,
    more: str,
) -> None:
    """Have ``folder`` be a course directory with ``root``'s settings and one assignment.

    ``kinds`` of notebooks (source, release) are copied from ``root``, ``more`` is added
    to the settings. What was graded there before is kept.

    Raises:
        RoadmapError: the course is not built, or the folder cannot be written.
    """
    if not (root / "source" / assignment).is_dir():
        raise RoadmapError(
            f"{root / 'source' / assignment}: not built; run `roadmap build` first"
        )
    text = CONFIG.format(about=about, settings=str(root.resolve()), more=more)
    try:
        for kind in kinds:
            copy = folder / kind / assignment
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(root / kind / assignment, copy)
        (folder / "nbgrader_config.py").write_text(text, encoding="utf-8")
    except OSError as error:
        raise RoadmapError(f"{error.filename or folder}: {error.strerror}") from error
