"""Jobs and results survive the journey to another machine, and are bounded."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from nbformat import v4
from tiny_course import ADD, notebook

from roadmap.errors import RoadmapError
from roadmap.grading import parcel
from roadmap.grading.engine import make_folders
from roadmap.grading.supervise import NotebookResult
from roadmap.grading.worker import Job

BYTES = bytes(range(256))
ODD = "caf\udce9.bin"  # a name that is no UTF-8


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job with a program, a file of any bytes, and a notebook that is none."""
    folders = make_folders(tmp_path / "here", "ps1")
    (Path(folders["cwd"]) / "data").mkdir()
    (Path(folders["cwd"]) / "data" / ODD).write_bytes(BYTES)
    (Path(folders["cwd"]) / "run.sh").write_text("#!/bin/sh\n")
    (Path(folders["cwd"]) / "run.sh").chmod(0o755)
    submitted = tmp_path / "p1.ipynb"
    submitted.write_bytes(BYTES)
    master = {"name": "p1", "kernelspec": {}, "cells": ADD}
    return Job(
        **folders,
        notebooks={"p1": str(submitted)},
        masters={"p1": master},
        settings={"sandbox": None},
        prove=True,
        unprovable={},
    )


def executed(job: Job, output: str) -> None:
    cell = v4.new_code_cell("print(…)", outputs=[v4.new_output("stream", text=output)])
    path = Path(job.out, "p1.ipynb")
    path.write_text(json.dumps(notebook(*ADD, cell)), encoding="utf-8")


def test_a_job_arrives_with_its_files_in_folders_of_its_own(
    job: Job, tmp_path: Path
) -> None:
    there, memory_limit = parcel.unpack_job(parcel.pack_job(job, 7), tmp_path / "there")
    cwd = Path(there.cwd)
    assert memory_limit == 7
    assert cwd.name == "ps1"
    assert (cwd / "data" / ODD).read_bytes() == BYTES
    assert [(cwd / "run.sh").read_text(), (cwd / "run.sh").stat().st_mode & 0o777] == [
        "#!/bin/sh\n",
        0o755,
    ]
    assert Path(there.notebooks["p1"]).read_bytes() == BYTES
    paths = (there.cwd, there.out, there.runtime, there.notebooks["p1"])
    assert all(Path(path).is_relative_to(tmp_path / "there") for path in paths)
    kept = ("masters", "settings", "prove", "unprovable")
    assert [asdict(there)[name] for name in kept] == [
        asdict(job)[name] for name in kept
    ]


def test_a_job_that_is_too_large_does_not_leave(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcel, "LIMIT", 500)
    with pytest.raises(parcel.TooLargeError, match="without --scheduler"):
        parcel.pack_job(job, 7)


def test_a_job_of_another_release_is_refused(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = parcel.pack_job(job, 7)
    here = parcel.release()
    monkeypatch.setattr(parcel, "release", lambda: "0.0.9")
    with pytest.raises(RoadmapError, match=r"here is 0\.0\.9") as caught:
        parcel.unpack_job(sent, tmp_path / "there")
    assert here in str(caught.value)


def test_results_come_back_as_they_were(job: Job) -> None:
    executed(job, "outputs — \x1b[31m")
    text = Path(job.out, "p1.ipynb").read_text(encoding="utf-8")
    scores = {"test-add": (2.0, None), "test-double": (0.0, "no")}
    results = {"p1": NotebookResult("graded", None, 1.5, ["add"], scores, ["x"])}
    data = json.loads(json.dumps(parcel.pack_results(job, results)))
    Path(job.out, "p1.ipynb").unlink()
    assert parcel.unpack_results(data, job) == results
    assert Path(job.out, "p1.ipynb").read_text(encoding="utf-8") == text


def test_outputs_that_are_too_many_cost_no_marks(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(job.notebooks["p1"]).write_text(json.dumps(notebook(*ADD)))
    executed(job, "x" * 100_000)
    monkeypatch.setattr(parcel, "LIMIT", 100_000)
    results = {"p1": NotebookResult("graded", None, scores={"test-add": (2.0, None)})}
    data = parcel.pack_results(job, results)
    assert len(data["notebooks"]["p1"]) < 10_000
    back = parcel.unpack_results(json.loads(json.dumps(data)), job)["p1"]
    assert (back.status, back.scores) == ("graded", {"test-add": (2.0, None)})
    assert "outputs were dropped" in str(back.message)


def test_another_checkout_is_another_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("one", "x = 1"), ("two", "x = 2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text)
    told = set()
    for name in ("one", "two", "one"):
        monkeypatch.setattr(
            parcel.roadmap, "__file__", str(tmp_path / name / "__init__.py")
        )
        parcel.release.cache_clear()
        told.add(parcel.release())
    parcel.release.cache_clear()
    assert len(told) == 2
