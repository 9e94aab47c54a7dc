"""nbgrader's own generate step, run on a private copy of the sources."""

from __future__ import annotations

import io
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from traitlets.config import Config, PyFileConfigLoader

from roadmap.errors import RoadmapError
from roadmap.lessons.files import NBGRADER_CONFIG


def generate(
    root: Path, sources: Mapping[tuple[str, str], bytes]
) -> dict[tuple[str, str], bytes]:
    """The learner's notebook for each of ``sources``, keyed by (phase, lesson).

    ``root`` is where ``nbgrader_config.py`` may stand; its settings hold,
    but for the folders and the gradebook, which are temporary ones.

    Raises:
        RoadmapError: nbgrader refuses one of the notebooks.
    """
    released = {}
    with tempfile.TemporaryDirectory(prefix="roadmap-build-") as folder:
        stage = Path(folder)
        for (phase, lesson), data in sources.items():
            path = stage / "source" / phase / f"{lesson}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        config = _config(root, stage)
        for phase in sorted({phase for phase, _ in sources}):
            _generate_phase(config, phase)
        for phase, lesson in sources:
            path = stage / "release" / phase / f"{lesson}.ipynb"
            released[phase, lesson] = path.read_bytes()
    return released


def _config(root: Path, stage: Path) -> Config:
    config = Config()
    if (root / NBGRADER_CONFIG).is_file():
        config.merge(PyFileConfigLoader(NBGRADER_CONFIG, path=str(root)).load_config())
    config.CourseDirectory = Config()
    config.CourseDirectory.root = str(stage)
    config.SaveCells.enabled = False
    return config


def _generate_phase(config: Config, phase: str) -> None:
    # nbgrader takes a second to import; a build without changes never gets here.
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    log = logging.Logger("roadmap.lessons.release")
    said = io.StringIO()
    log.addHandler(logging.StreamHandler(said))
    log.setLevel(logging.ERROR)
    coursedir = CourseDirectory(config=config, log=log)
    coursedir.assignment_id = phase
    converter = GenerateAssignment(
        coursedir=coursedir, config=config, log=log, no_database=True
    )
    before = Path.cwd()
    try:
        converter.start()
    except (Exception, SystemExit) as error:
        detail = (said.getvalue().strip() or str(error)).splitlines()[-1]
        raise RoadmapError(
            f"{phase}: nbgrader could not make the release: {detail}"
        ) from error
    finally:
        os.chdir(before)
