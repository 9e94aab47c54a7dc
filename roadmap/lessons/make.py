"""What ``source/`` and ``release/`` should hold, made from ``course/``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from roadmap.lessons import release
from roadmap.lessons.files import (
    ANSWERS,
    COURSE,
    LEFT_ALONE,
    OUTPUTS,
    Tree,
    read_tree,
    sha256,
)
from roadmap.lessons.index import INDEX_FILE, Course, Lesson, Phase
from roadmap.lessons.notebook import to_bytes, to_index, to_notebook
from roadmap.lessons.phases import PHASES, PhaseInfo
from roadmap.lessons.problems import LessonError, Problem
from roadmap.lessons.rules import LESSON_NAME, PHASE_NAME, check_course, check_lesson
from roadmap.lessons.text import LessonText, read_lesson


def read_course(root: Path) -> list[LessonText]:
    """Every lesson of ``root/course`` in teaching order, checked.

    Raises:
        LessonError: lessons break build rules; it names each place.
    """
    problems: list[Problem] = []
    lessons = []
    for phase in _phases(root, problems):
        for path in sorted((root / COURSE / phase).glob("*.md")):
            relative = path.relative_to(root).as_posix()
            if not LESSON_NAME.fullmatch(path.stem):
                problems.append(
                    Problem(relative, 1, "a lesson's file is named like 03_loops.md")
                )
                continue
            try:
                text = path.read_bytes().decode("utf-8-sig")
            except UnicodeDecodeError as error:
                line = path.read_bytes()[: error.start].count(b"\n") + 1
                problems.append(
                    Problem(relative, line, "not UTF-8 text; save the file as UTF-8")
                )
                continue
            lessons.append(read_lesson(relative, text.replace("\r\n", "\n")))
    for lesson in lessons:
        problems += check_lesson(lesson)
    problems += check_course(lessons)
    if problems:
        raise LessonError(problems)
    return lessons


def make(
    root: Path, current: Mapping[str, bytes], known: Mapping[str, list[str]]
) -> tuple[Tree, dict[str, list[str]]]:
    """Both trees as they should be, and the digests of what nbgrader made."""
    lessons = read_course(root)
    wanted: Tree = {}
    for path, data in _data_files(root).items():
        for output in OUTPUTS:
            wanted[f"{output}/{path}"] = data
    sources = {
        (lesson.phase, lesson.name): to_bytes(to_notebook(lesson)) for lesson in lessons
    }
    releases = _releases(root, sources, current, known)
    texts: dict[str, list[tuple[LessonText, NotebookNode]]] = {}
    for lesson in lessons:
        key = (lesson.phase, lesson.name)
        wanted[_notebook("source", *key)] = sources[key]
        wanted[_notebook("release", *key)] = releases[key]
        released = nbformat.reads(releases[key].decode(), as_version=4)
        texts.setdefault(lesson.phase, []).append((lesson, released))
        for name, quiz in lesson.quizzes.items():
            for output in OUTPUTS:
                wanted[f"{output}/{lesson.phase}/quizzes/{name}.json"] = quiz.encode()
    if INDEX_FILE.parts[0] in texts:
        index = _index(texts).to_json().encode()
        for output in OUTPUTS:
            wanted[f"{output}/{INDEX_FILE.as_posix()}"] = index
    digests = {
        "/".join(key): [sha256(sources[key]), sha256(releases[key])]
        for key in sorted(sources)
    }
    return wanted, digests


def _releases(
    root: Path,
    sources: Mapping[tuple[str, str], bytes],
    current: Mapping[str, bytes],
    known: Mapping[str, list[str]],
) -> dict[tuple[str, str], bytes]:
    """The learner's notebooks; what nbgrader made before from the same source is kept."""
    kept = {}
    for key, source in sources.items():
        there = current.get(_notebook("release", *key), b"")
        if known.get("/".join(key)) == [sha256(source), sha256(there)]:
            kept[key] = there
    changed = {key: source for key, source in sources.items() if key not in kept}
    return kept | (release.generate(root, changed) if changed else {})


def _index(texts: Mapping[str, list[tuple[LessonText, NotebookNode]]]) -> Course:
    phases = []
    for name in sorted({*PHASES, *texts}, key=_teaching_order):
        info = PHASES.get(name) or PhaseInfo(name.replace("_", " "), "")
        lessons: tuple[Lesson, ...] = tuple(
            to_index(*pair) for pair in texts.get(name, [])
        )
        phases.append(Phase(name, info.title, info.duration, lessons))
    return Course(tuple(phases))


def _phases(root: Path, problems: list[Problem]) -> list[str]:
    names = []
    for folder in sorted((root / COURSE).iterdir()):
        if not folder.is_dir() or folder.name in LEFT_ALONE:
            continue
        if not PHASE_NAME.fullmatch(folder.name):
            problems.append(
                Problem(
                    f"{COURSE}/{folder.name}",
                    1,
                    "a phase's folder is named like phase2_oop",
                )
            )
        else:
            names.append(folder.name)
    return sorted(names, key=_teaching_order)


def _teaching_order(phase: str) -> tuple[int, str]:
    known = list(PHASES)
    return (known.index(phase) if phase in PHASES else len(known), phase)


def _data_files(root: Path) -> Tree:
    """What lies beside the lessons and goes with them: data, pictures, programs."""
    files = {}
    for path, data in read_tree(root, (COURSE,)).items():
        _, phase, *rest = path.split("/")
        if (
            not rest
            or rest[0] == ANSWERS
            or (len(rest) == 1 and rest[0].endswith(".md"))
        ):
            continue
        files["/".join([phase, *rest])] = data
    return files


def _notebook(output: str, phase: str, lesson: str) -> str:
    return f"{output}/{phase}/{lesson}.ipynb"
