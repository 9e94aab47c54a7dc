"""Grade an assignment: who is to be graded, in parallel, one writer, and where to go on."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

from nbgrader.utils import parse_utc

from roadmap.errors import RoadmapError
from roadmap.grading.course import NbgraderCourse
from roadmap.grading.engine import Engine, make_folders, open_engine
from roadmap.grading.gradebook import ClassGradebook
from roadmap.grading.master import MasterNotebook, grade_id, nbgrader
from roadmap.grading.publish import copy_files, discard, move_into_place, stage
from roadmap.grading.register import Master, load_master
from roadmap.grading.rows import CellScore, Row, write_text
from roadmap.grading.submission import SUFFIX, Folder, scan
from roadmap.grading.supervise import NotebookResult, StoppedError
from roadmap.grading.verdict import NEEDS_MARKING, NO_RESPONSE
from roadmap.grading.worker import Job

RECORD_SCHEMA = 3
TIMESTAMP = "timestamp.txt"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def grade(
    assignment: str,
    root: Path,
    *,
    students: Sequence[str] = (),
    workers: int | None = None,
    force: bool = False,
    sandbox: bool = True,
    scheduler: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Grade what was handed in for ``assignment`` in the course directory ``root``.

    Marks go into the gradebook, notebooks into ``autograded/``, one submission after
    the other as they are done. What is graded and unchanged is not graded again, unless
    ``force``. Kernels run in a sandbox, unless ``sandbox`` is false: then learners' code
    has the rights of whoever calls this. ``students`` limits it to some; ``workers``
    submissions run at once (None: one for each core). With ``scheduler``, the address
    of a Dask scheduler, they run on its workers, and None means one for each of their
    threads. ``on_progress`` hears (done, total) submissions, first (0, total).

    Returns:
        A row for every notebook that was expected or handed in, students in order.

    Raises:
        UsageError: there is no such course, assignment, submission or student.
        RoadmapError: a host cannot isolate kernels; the gradebook, the file system or
            the scheduler refuses. What is graded is kept.
    """
    course = NbgraderCourse(root)
    with (
        course.alone(assignment),
        ClassGradebook.open(course) as gradebook,
        _scratch(course, assignment) as scratch,
        open_engine(scheduler, sandbox) as engine,
    ):
        master = load_master(course, assignment, gradebook)
        folders = course.submissions(assignment, students)
        run = _Run(course, master, gradebook.students(assignment), engine, scratch)
        if on_progress:
            on_progress(0, len(folders))
        run.calibrate()
        done: dict[str, list[Row]] = {}
        with ThreadPoolExecutor(workers or engine.at_once, "grade") as pool:
            futures = [
                pool.submit(run.grade, student, path, force)
                for student, path in folders.items()
            ]
            try:
                for future in as_completed(futures):
                    graded = future.result()
                    _keep(course, gradebook, graded)
                    done[graded.student] = graded.rows
                    if on_progress:
                        on_progress(len(done), len(folders))
            finally:
                run.stop.set()
                for future in futures:
                    if not future.cancel() and future.exception() is None:
                        future.result().clean()
    return [row for student in folders for row in done[student]]


@dataclass(frozen=True)
class _Graded:
    """One submission, graded and not yet written; ``folder`` is None if nothing is to be."""

    student: str
    assignment: str
    rows: list[Row]
    fingerprint: str = ""
    timestamp: datetime | None = None
    unanswered: Mapping[str, Sequence[str]] | None = None
    folder: Path | None = None

    def clean(self) -> None:
        if self.folder is not None:
            discard(self.folder)


def _keep(course: NbgraderCourse, gradebook: ClassGradebook, graded: _Graded) -> None:
    """Marks, then the folder, then the record that says both are there."""
    if graded.folder is None:
        return
    record = course.record(graded.assignment, graded.student)
    record.unlink(missing_ok=True)
    gradebook.write(
        graded.assignment,
        graded.student,
        graded.timestamp,
        graded.rows,
        graded.unanswered or {},
    )
    target = course.autograded(graded.student, graded.assignment)
    move_into_place(course, graded.folder, target, course.autograde.permissions)
    data = {
        "fingerprint": graded.fingerprint,
        "rows": [row.to_dict() for row in graded.rows],
    }
    write_text(record, json.dumps(data))


class _Run:
    """What the submissions of one call have in common. Its methods run in threads."""

    def __init__(
        self,
        course: NbgraderCourse,
        master: Master,
        known: set[str],
        engine: Engine,
        scratch: Path,
    ) -> None:
        self.stop = threading.Event()
        self._engine = engine
        self._scratch = scratch
        self._course = course
        self._master = master
        self._graded_cells = {
            name: _graded_cells(notebook) for name, notebook in master.notebooks.items()
        }
        self._known = known
        self._settings = replace(course.execute_settings(), sandbox=engine.sandbox)
        source = course.source(master.assignment)
        self._source = self._scan(source) if source.is_dir() else None
        self._base = self._common_fingerprint()
        self._unprovable: dict[str, list[str]] = {}

    def calibrate(self) -> None:
        """Learn from the instructor's own answers of which checks twins say nothing.

        A check that passes its twin with a right answer proves nothing with another's.
        """
        if not self._course.grader.prove or self._source is None:
            return
        record = self._course.state("twins", f"{self._master.assignment}.json")
        known = _read_json(record)
        if known.get("of") != self._base:
            with self._room() as scratch:
                results = self._results(self._source, scratch)
            unprovable = {
                name: [*result.forged, *result.unproved]
                for name, result in results.items()
            }
            known = {"of": self._base, "unprovable": unprovable}
            if not any(result.status == "error" for result in results.values()):
                write_text(record, json.dumps(known))
        self._unprovable = known["unprovable"]

    def _scan(self, path: Path) -> Folder:
        coursedir = self._course.coursedir
        return scan(path, coursedir.ignore, coursedir.max_file_size * 1000)

    def _common_fingerprint(self) -> str:
        grader = self._course.grader
        parts = [
            RECORD_SCHEMA,
            self._master.digest,
            self._source.digest() if self._source else "",
            {**asdict(self._settings), "sandbox": self._settings.sandbox is not None},
            grader.notebook_limit,
            grader.prove,
            self._course.coursedir.db_url,
        ]
        # The digest alone is written down: the gradebook's URL may hold a password.
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def grade(self, student: str, path: Path, force: bool) -> _Graded:
        """Grade one submission; whatever goes wrong with it becomes its rows."""
        try:
            submitted = self._scan(path)
            text = f"{self._base}\0{submitted.digest()}"
            fingerprint = hashlib.sha256(text.encode()).hexdigest()
            known = None if force else self._recorded(student, fingerprint)
            if known is not None:
                return _Graded(student, self._master.assignment, known)
            return self._grade(student, submitted, fingerprint)
        except (StoppedError, RoadmapError):
            raise  # it is the same for all
        except Exception as error:  # ours or the machine's fault; the others go on
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            result = NotebookResult(
                message=f"not graded, and no mark was written: {reason}"
            )
            rows = [
                self._row(student, nb, result) for nb in self._master.notebooks.values()
            ]
            return _Graded(student, self._master.assignment, rows)

    def _recorded(self, student: str, fingerprint: str) -> list[Row] | None:
        """The rows of an earlier run, if all that it wrote is still there."""
        assignment = self._master.assignment
        target = self._course.autograded(student, assignment)
        if student not in self._known or not target.is_dir():
            return None
        try:
            data = _read_json(self._course.record(assignment, student))
            if data.get("fingerprint") != fingerprint:
                return None
            return [Row.from_dict(row) for row in data["rows"]]
        except (ValueError, KeyError, TypeError):
            return None  # by another version

    def _grade(self, student: str, submitted: Folder, fingerprint: str) -> _Graded:
        assignment = self._master.assignment
        timestamp, problem = _timestamp(submitted)
        with self._room() as scratch:
            results = self._results(submitted, scratch)
            remarks = [problem] if problem else []
            remarks += [
                f"{name.as_posix()} was left out: {reason}"
                for name, reason in submitted.refused.items()
                if name.suffix != SUFFIX
            ]
            for result in results.values():
                said = [result.message] if result.message else []
                result.message = "; ".join([*said, *remarks]) or None
            rows = [
                self._row(student, notebook, results[name])
                for name, notebook in self._master.notebooks.items()
            ]
            by_name = {row.notebook: row for row in rows}
            rows += self._extra(student, submitted)
            if any(row.status == "error" for row in rows):
                return _Graded(student, assignment, rows)
            target = self._course.autograded(student, assignment)
            with _telling_no_room(target):
                folder = stage(
                    self._course,
                    target,
                    submitted,
                    self._source,
                    scratch / "out",
                    by_name,
                )
        unanswered = {name: result.unanswered or [] for name, result in results.items()}
        return _Graded(
            student, assignment, rows, fingerprint, timestamp, unanswered, folder
        )

    @contextmanager
    def _room(self) -> Iterator[Path]:
        """A folder for one submission, for as long as it is graded."""
        with (
            _telling_no_room(self._scratch),
            tempfile.TemporaryDirectory(
                dir=self._scratch, ignore_cleanup_errors=True
            ) as folder,
        ):
            yield Path(folder)

    def _results(self, submitted: Folder, scratch: Path) -> dict[str, NotebookResult]:
        """Run the notebooks that can be; say of the others why not."""
        results: dict[str, NotebookResult] = {}
        present: dict[str, str] = {}
        for name in self._master.notebooks:
            file = Path(f"{name}.ipynb")
            problem = submitted.refused.get(file)
            if problem is None and file not in submitted.notebooks:
                results[name] = NotebookResult("missing", f"{file} was not handed in")
            elif problem is None and not self._fits(submitted.path / file):
                limit = self._course.grader.notebook_limit / 1e6
                problem = f"over {limit:g} MB"
            if problem is not None:
                results[name] = NotebookResult("invalid", f"{file}: {problem}")
            elif name not in results:
                present[name] = str(submitted.path / file)
        if not present:
            return results
        job = self._job(scratch, present)
        copy_files(
            self._course,
            self._master.assignment,
            Path(job.cwd),
            submitted,
            self._source,
        )
        memory_limit = self._course.grader.memory_limit
        return results | self._engine.run_job(job, memory_limit, self.stop)

    def _fits(self, path: Path) -> bool:
        return path.stat().st_size <= int(self._course.grader.notebook_limit)

    def _job(self, scratch: Path, notebooks: Mapping[str, str]) -> Job:
        return Job(
            **make_folders(scratch, self._master.assignment),
            notebooks=notebooks,
            masters={
                name: self._master.notebooks[name].to_dict() for name in notebooks
            },
            settings=asdict(self._settings),
            prove=self._course.grader.prove,
            unprovable=self._unprovable,
        )

    def _row(
        self, student: str, notebook: MasterNotebook, result: NotebookResult
    ) -> Row:
        cells = {
            name: _cell_score(cell_kind, points, result, name)
            for name, (cell_kind, points) in self._graded_cells[notebook.name].items()
        }
        return Row.of(
            student,
            self._master.assignment,
            notebook.name,
            result.status,
            cells,
            result.seconds,
            result.message,
        )

    def _extra(self, student: str, submitted: Folder) -> list[Row]:
        """Notebooks that the assignment knows nothing of."""
        names = (path.with_suffix("").as_posix() for path in submitted.notebooks)
        return [
            Row.of(
                student,
                self._master.assignment,
                name,
                "invalid",
                {},
                message="no notebook of this assignment",
            )
            for name in names
            if name not in self._master.notebooks
        ]


@contextmanager
def _scratch(course: NbgraderCourse, assignment: str) -> Iterator[Path]:
    """A folder for temporary files; what a killed run left of its own is removed."""
    record = course.state("graded", f"{assignment}.scratch.json")
    left = _read_json(record).get("folder")
    if left is not None:
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.gettempdir(), f"roadmap-{token_hex(8)}")
    write_text(record, json.dumps({"folder": str(folder)}))
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        record.unlink(missing_ok=True)


@contextmanager
def _telling_no_room(path: Path) -> Iterator[None]:
    """Raises RoadmapError, for ``path``, when the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise RoadmapError(
            f"{path}: cannot be written: {error.strerror}; make room, then give the "
            "command again: what is graded is kept"
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    """A record that an earlier run wrote; empty if there is none, or another version's."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _graded_cells(notebook: MasterNotebook) -> dict[str, tuple[bool, float]]:
    """Whether a person marks the cell, and its points, by grade id."""
    by_hand = {
        grade_id(cell): _by_hand(nbgrader(cell), cell) for cell in notebook.cells
    }
    return {name: (by_hand[name], points) for name, points in notebook.graded().items()}


def _by_hand(meta: Mapping[str, object], cell: Mapping[str, object]) -> bool:
    return bool(
        meta.get("solution") or meta.get("task") or cell.get("cell_type") != "code"
    )


def _cell_score(
    by_hand: bool, points: float, result: NotebookResult, name: str
) -> CellScore:
    if name in result.scores:
        score, message = result.scores[name]
        return CellScore(score, points, message)
    if by_hand and result.unanswered is not None:
        if name in result.unanswered:
            return CellScore(0.0, points, NO_RESPONSE)
        return CellScore(None, points, NEEDS_MARKING)
    return CellScore(0.0, points, f"not run: {result.message}")


def _timestamp(submitted: Folder) -> tuple[datetime | None, str | None]:
    """When it was handed in, or what is wrong with the file that should say so."""
    if Path(TIMESTAMP) not in submitted.data:
        return None, None
    try:
        with (submitted.path / TIMESTAMP).open(encoding="utf-8") as file:
            text = file.read(200).strip()
        return (parse_utc(text) if text else None), None
    except (ValueError, OverflowError):
        return None, f"{TIMESTAMP} holds no date, so lateness was not judged"
