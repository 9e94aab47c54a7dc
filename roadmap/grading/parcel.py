"""A job and its results as JSON, to travel between machines that share no files.

Never pickles. What may travel is bounded, since learners decide how much it is.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import roadmap
from roadmap.errors import RoadmapError
from roadmap.grading.engine import make_folders
from roadmap.grading.master import MasterNotebook
from roadmap.grading.submission import read_notebook, rebuild
from roadmap.grading.supervise import NotebookResult
from roadmap.grading.worker import Job

# Bytes of all files that one job takes along, and of the notebooks that come back.
LIMIT = 200_000_000
# A reply is these notebooks, escaped as JSON, and some marks.
REPLY_LIMIT = 3 * LIMIT
DROPPED = (
    f"the outputs were dropped: with them the notebooks are over {LIMIT / 1e6:g} MB"
)


class TooLargeError(Exception):
    """The job has more files than may travel."""


def pack_job(job: Job, memory_limit: int) -> bytes:
    """The job with all files it needs, and who sends it.

    Raises:
        TooLargeError: they are over ``LIMIT``.
    """
    cwd = Path(job.cwd)
    files = sorted(path for path in cwd.rglob("*") if path.is_file())
    notebooks = {name: Path(path) for name, path in job.notebooks.items()}
    size = sum(path.stat().st_size for path in (*files, *notebooks.values()))
    if size > LIMIT:
        raise TooLargeError(
            f"its files, {size / 1e6:.0f} MB, are over the {LIMIT / 1e6:g} MB that are sent to "
            "another machine; grade it without --scheduler"
        )
    data = {
        "release": release(),
        "memory_limit": memory_limit,
        "job": asdict(job),
        "files": [
            (path.relative_to(cwd).as_posix(), path.stat().st_mode & 0o777, _read(path))
            for path in files
        ],
        "notebooks": {name: _read(path) for name, path in notebooks.items()},
    }
    return json.dumps(data).encode()


def unpack_job(parcel: bytes, scratch: Path) -> tuple[Job, int]:
    """The job, laid out in the empty folder ``scratch``, and its limit of memory in bytes.

    Raises:
        RoadmapError: another release of the course sent it.
    """
    data = json.loads(parcel)
    if data["release"] != release():
        raise RoadmapError(
            f"the roadmap here is {release()}, the grader's is {data['release']}; "
            "install the same on both"
        )
    job = Job(**data["job"])
    folders = make_folders(scratch, Path(job.cwd).name)
    for name, mode, content in data["files"]:
        path = Path(folders["cwd"], name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b64decode(content))
        path.chmod(mode)
    submitted = scratch / "submitted"
    submitted.mkdir()
    for name, content in data["notebooks"].items():
        (submitted / f"{name}.ipynb").write_bytes(b64decode(content))
    notebooks = {name: str(submitted / f"{name}.ipynb") for name in job.notebooks}
    here: dict[str, Any] = {**folders, "notebooks": notebooks}
    return replace(job, **here), data["memory_limit"]


def pack_results(job: Job, results: Mapping[str, NotebookResult]) -> dict[str, Any]:
    """What became of the job, and its notebooks, executed as far as they were."""
    paths = [Path(job.out, f"{name}.ipynb") for name in results]
    there = [path for path in paths if path.is_file()]
    if sum(path.stat().st_size for path in there) > LIMIT:
        for path in there:
            _drop_outputs(job, path)
            said = results[path.stem].message
            results[path.stem].message = "; ".join(filter(None, (said, DROPPED)))
    return {
        "results": {name: asdict(result) for name, result in results.items()},
        "notebooks": {path.stem: path.read_text(encoding="utf-8") for path in there},
    }


def unpack_results(data: Mapping[str, Any], job: Job) -> dict[str, NotebookResult]:
    """The results; the executed notebooks go into the job's folder for them."""
    results = {name: _result(data["results"][name]) for name in job.notebooks}
    for name in job.notebooks:
        if name in data["notebooks"]:
            path = Path(job.out, f"{name}.ipynb")
            path.write_text(data["notebooks"][name], encoding="utf-8")
    return results


def _result(data: Mapping[str, Any]) -> NotebookResult:
    scores = {cell: (score, said) for cell, (score, said) in data["scores"].items()}
    return NotebookResult(**{**data, "scores": scores})


def _read(path: Path) -> str:
    return b64encode(path.read_bytes()).decode()


def _drop_outputs(job: Job, path: Path) -> None:
    """Put the notebook back to how it was before it ran.

    It is made anew from what was handed in, which was read before and is bounded;
    what is dropped is not.
    """
    known = job.masters[path.stem]
    master = MasterNotebook(path.stem, known["kernelspec"], tuple(known["cells"]))
    nb = rebuild(read_notebook(Path(job.notebooks[path.stem])), master)
    text = json.dumps(nb, ensure_ascii=False)
    path.write_text(text, encoding="utf-8", errors="replace")


@functools.cache
def release() -> str:
    """What has to be the same on both sides for marks to be the same.

    A version alone would not tell two checkouts apart.
    """
    total = hashlib.sha256()
    root = Path(roadmap.__file__).parent
    for path in sorted(root.rglob("*.py")):
        total.update(path.relative_to(root).as_posix().encode() + b"\0")
        total.update(path.read_bytes())
    python = "{}.{}".format(*sys.version_info)
    name = version("python-backend-roadmap")
    return f"{name} ({total.hexdigest()[:12]}, Python {python})"
