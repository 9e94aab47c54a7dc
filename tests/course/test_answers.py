"""Every lesson passes its audit, and the audit judges as grading does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from roadmap.audit import audit
from roadmap.audit.kernels import NAMED, LessonRunner, Result
from roadmap.audit.mistakes import renewed
from roadmap.audit.plan import ExercisePlan, plan
from roadmap.audit.table import remarks
from roadmap.grading import grade
from roadmap.grading.course import NbgraderCourse
from roadmap.grading.sandbox import available
from roadmap.lessons.answers import references
from roadmap.lessons.mistakes import MISTAKES_FILE

from .conftest import COURSE, LESSONS, ROOT, make_class_folder, notebook


def test_every_lesson_passes_its_audit_and_the_file_of_mistakes_follows() -> None:
    """Named answers, mutants and repeats; what has not changed was audited before."""
    lessons = audit(ROOT, list(COURSE.lessons()))
    assert [(lesson.phase, lesson.name) for lesson in lessons] == LESSONS
    failed = [lesson for lesson in lessons if not lesson.passes]
    assert failed == [], "\n".join(remarks(failed))
    path = ROOT / "course" / MISTAKES_FILE
    seen = renewed("", COURSE, lessons, path)
    stale = f"{path}: stale; run `roadmap audit`, then `roadmap build`"
    assert path.read_text(encoding="utf-8") == seen, stale


def test_the_audit_judges_named_answers_and_mutants_as_grading_does(
    tmp_path: Path,
) -> None:
    """Learner n hands in the n-th answer to each exercise; marks and messages agree."""
    (phase, name), *_ = LESSONS
    ((found, lesson),) = COURSE.select([f"{phase}/{name}"])
    planned = plan(ROOT, found.name, lesson, "")
    tried = {
        exercise.id: [
            number
            for number, variant in enumerate(exercise.variants)
            if variant.kind in (*NAMED, "mutant")
        ]
        for exercise in planned.exercises
    }
    most = max(map(len, tried.values()))
    reference = references(notebook("source", phase, name))
    learners = {
        f"learner{place:02}": {
            name: reference | _answers(planned.exercises, tried, place)
        }
        for place in range(most)
    }
    make_class_folder(tmp_path, phase, learners)
    graded = grade(phase, tmp_path, sandbox=not available())
    rows = {row.student: row for row in graded if row.notebook == name}
    settings = replace(NbgraderCourse(ROOT).execute_settings(), cell_timeout=None)
    runs = LessonRunner(ROOT, planned, settings).run(planned.exercises, repeat=False)
    compared = 0
    for exercise in planned.exercises:
        for place, number in enumerate(tried[exercise.id]):
            cells = rows[f"learner{place:02}"].cells
            says = {id: cells[id].message for id in exercise.points}
            result: Result = runs[exercise.id].results[number]
            assert {id: result.messages.get(id) for id in says} == says, (
                exercise.variants[number]
            )
            compared += 1
    assert compared > 40


def _answers(
    exercises: tuple[ExercisePlan, ...], tried: dict[str, list[int]], place: int
) -> dict[str, str]:
    return {
        exercise.id: exercise.variants[tried[exercise.id][place]].sources[exercise.id]
        for exercise in exercises
        if 0 < place < len(tried[exercise.id])
    }
