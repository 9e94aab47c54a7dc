"""Lessons: ``course/`` text → ``source/`` → ``release/``, and the course's index."""

from roadmap.lessons.index import Check, Course, Exercise, Lesson, Phase

__all__ = ["Check", "Course", "Exercise", "Lesson", "Phase"]
