"""An nbgrader course directory: its settings, folders, assignments and submissions."""

from __future__ import annotations

import glob
import logging
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from nbgrader.apps.baseapp import NbGrader
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from sqlalchemy.engine import make_url
from traitlets import Bool, Float, Integer, default
from traitlets.config import LoggingConfigurable

from roadmap.errors import RoadmapError, UsageError
from roadmap.grading.kernels import ExecuteSettings

CONFIG = "nbgrader_config.py"
STATE = ".roadmap"
# PostgreSQL would wait for ever, for a server that does not answer and for a lock.
# SQLite's driver waits five seconds.
PATIENCE = {"connect_timeout": "10", "options": "-c lock_timeout=10s"}
LIBPQ = ("postgresql", "postgresql+psycopg", "postgresql+psycopg2")
ANY = "\N{SNOWMAN}"  # stands for an unknown part of a path; no nbgrader name holds it


class Grader(LoggingConfigurable):  # type: ignore[misc]  # traitlets is not typed here
    """What ``nbgrader_config.py`` can set for ``roadmap grade`` as ``c.Grader.…``."""

    cell_timeout = Float(
        None,
        allow_none=True,
        help="Seconds a cell may take. None: ExecutePreprocessor.timeout.",
    ).tag(config=True)
    notebook_timeout = Float(600.0, help="Seconds a notebook may take.").tag(
        config=True
    )
    memory_limit = Integer(2 * 1024**3, help="Bytes that a submission may hold.").tag(
        config=True
    )
    output_limit = Integer(
        1_000_000,
        help="Characters of output that are kept of a cell; what comes after is dropped.",
    ).tag(config=True)
    notebook_limit = Integer(
        50_000_000, help="Bytes of the largest notebook that is read."
    ).tag(config=True)
    prove = Bool(
        True,
        help="Whether each notebook is run a second time with negative twins, so that "
        "an answer that passes whatever it is compared with earns nothing.",
    ).tag(config=True)
    show_hidden_tests = Bool(
        False, help="Whether feedback pages show the source of hidden tests."
    ).tag(config=True)


class LogTail(logging.Handler):
    """Keeps the last errors that nbgrader logs, instead of printing them."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: deque[str] = deque(maxlen=100)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.extend(
            line for line in record.getMessage().splitlines() if line.strip()
        )


class _App(NbGrader):  # type: ignore[misc]
    """nbgrader's application, for its way of loading settings only."""

    name = "roadmap-grade"
    # The settings that count are the course's, wherever the command is given.
    load_cwd_config = False

    @default("log")  # type: ignore[untyped-decorator]
    def _log_default(self) -> logging.Logger:
        log = logging.Logger("roadmap.grading", logging.WARNING)
        log.addHandler(LogTail())
        return log

    def init_syspath(self) -> None:
        """Plugins that the settings name are found in the course directory; see below."""

    def migrate_config(self) -> None:
        """Leave the user's IPython settings of years ago alone."""


class NbgraderCourse:
    """A course directory with its settings in force.

    ``coursedir`` and ``app`` are nbgrader's own objects, for what is nbgrader's work.
    """

    def __init__(self, root: Path) -> None:
        """Load ``nbgrader_config.py`` of ``root`` as nbgrader does.

        Raises:
            UsageError: there is none, or it cannot be loaded.
        """
        self.root = root.resolve()
        config = self.root / CONFIG
        if not config.is_file():
            raise UsageError(
                f"{root}: no {CONFIG}; give the course directory with --root, "
                "or make one with `nbgrader quickstart`"
            )
        if str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))
        self.app = _App(raise_config_file_errors=True)
        try:
            self.app.initialize([], root=str(self.root))
        except (Exception, SystemExit) as error:
            detail = next(iter(self.tail()), None) or f"{type(error).__name__}: {error}"
            raise UsageError(f"{config}: cannot be loaded: {detail}") from error
        self.coursedir: CourseDirectory = self.app.coursedir
        self.coursedir.root = str(self.root)
        self.coursedir.db_url = _db_url(self.coursedir.db_url, self.root)
        self.grader = Grader(parent=self.app)
        self.execute = Execute(parent=self.app)
        self.autograde = Autograde(coursedir=self.coursedir, parent=self.app)

    def tail(self) -> list[str]:
        """The last error lines that nbgrader logged."""
        return [
            line
            for h in self.app.log.handlers
            if isinstance(h, LogTail)
            for line in h.lines
        ]

    def state(self, *parts: str) -> Path:
        """Where the grader keeps what it has to remember."""
        return self.root.joinpath(STATE, *parts)

    def record(self, assignment: str, student: str) -> Path:
        """Where it is written what was graded of a submission, and how it ended."""
        return self.state("graded", assignment, f"{student}.json")

    @contextmanager
    def alone(self, assignment: str) -> Iterator[None]:
        """Hold an assignment: two graders would move folders under each other's feet.

        Raises:
            RoadmapError: another process holds it.
        """
        path = self.state("graded", f"{assignment}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path, blocking=False):
                yield
        except Timeout:
            raise RoadmapError(
                f"{path}: {assignment} is being graded by another `roadmap grade`, which "
                "holds this lock; wait until it is done"
            ) from None
        except PermissionError as error:
            raise RoadmapError(
                f"{path}: cannot be written: {error.strerror}"
            ) from error

    def folder(self, step: str, student: str, assignment: str) -> Path:
        """A folder of nbgrader's layout; ``step`` is e.g. ``coursedir.source_directory``."""
        return Path(self.coursedir.format_path(step, student, assignment))

    def source(self, assignment: str) -> Path:
        return self.folder(self.coursedir.source_directory, ".", assignment)

    def autograded(self, student: str, assignment: str) -> Path:
        return self.folder(self.coursedir.autograded_directory, student, assignment)

    def assignments(self) -> list[str]:
        """Names of the assignments that have a source."""
        return sorted(
            self._matching(self.folder(self.coursedir.source_directory, ".", ANY))
        )

    def submissions(
        self, assignment: str, students: Iterable[str] = ()
    ) -> dict[str, Path]:
        """Folders handed in, by student; of ``students`` if any are named.

        Raises:
            UsageError: nobody handed in, or one of ``students`` did not.
        """
        return self._by_student(
            self.coursedir.submitted_directory, assignment, students, "submission"
        )

    def graded(self, assignment: str, students: Iterable[str] = ()) -> dict[str, Path]:
        """Autograded folders, by student; of ``students`` if any are named.

        Raises:
            UsageError: nothing is graded, or one of ``students`` is not.
        """
        return self._by_student(
            self.coursedir.autograded_directory,
            assignment,
            students,
            "graded submission",
        )

    def _by_student(
        self, step: str, assignment: str, students: Iterable[str], what: str
    ) -> dict[str, Path]:
        pattern = self.folder(step, ANY, assignment)
        found = self._matching(pattern)
        for student in self.coursedir.student_id_exclude.split(","):
            found.pop(student, None)
        shown = str(pattern).replace(ANY, "*")
        if not found:
            raise UsageError(f"{shown}: no {what} of {assignment} here")
        unknown = [student for student in students if student not in found]
        if unknown:
            raise UsageError(
                f"{', '.join(unknown)}: no {what} of {assignment} in {shown}; "
                f"there are {_some(found)}"
            )
        return {name: found[name] for name in sorted(set(students) or found)}

    def _matching(self, pattern: Path) -> dict[str, Path]:
        """Folders that fit ``pattern``, by what stands at its ``ANY``."""
        regex = re.compile(re.escape(str(pattern)).replace(re.escape(ANY), "([^/]+)"))
        paths = glob.glob(glob.escape(str(pattern)).replace(ANY, "*"))  # noqa: PTH207
        pairs = ((regex.fullmatch(path), Path(path)) for path in sorted(paths))
        return {match[1]: path for match, path in pairs if match and path.is_dir()}

    def execute_settings(self) -> ExecuteSettings:
        """nbgrader's settings of execution, and ours."""
        timeout = self.grader.cell_timeout
        if timeout is None:
            timeout = self.execute.timeout
        return ExecuteSettings(
            kernel_name=self.execute.kernel_name or None,
            extra_arguments=tuple(self.execute.extra_arguments),
            startup_timeout=float(self.execute.startup_timeout),
            cell_timeout=float(timeout) if timeout and timeout > 0 else None,
            notebook_timeout=self.grader.notebook_timeout,
            output_limit=self.grader.output_limit,
            memory_limit=self.grader.memory_limit,
            limits=dict(self.app.config.SandboxProvisioner),
        )

    def no_such_assignment(
        self, assignment: str, known: Iterable[str] = ()
    ) -> UsageError:
        """The error that names the assignments there are."""
        names = sorted({*self.assignments(), *known})
        there = f"there are {_some(names)}" if names else "there are none"
        return UsageError(
            f"{assignment}: no such assignment in {self.source('')}; {there}"
        )


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:10]) + (
        f" and {len(names) - 10} more" if len(names) > 10 else ""
    )


def _db_url(db_url: str, root: Path) -> str:
    """The URL with an absolute path in it, or with limits to how long to wait.

    SQLite takes a relative path from where the command was given; nbgrader runs at the root.
    """
    url = make_url(db_url)
    if url.drivername in LIBPQ:
        url = url.update_query_dict({**PATIENCE, **url.query})
    elif url.get_backend_name() == "sqlite" and url.database not in (
        None,
        "",
        ":memory:",
    ):
        url = url.set(database=str(root / str(url.database)))
    else:
        return db_url
    text: str = url.render_as_string(hide_password=False)
    return text
