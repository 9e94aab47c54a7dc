"""The course's phases in teaching order, with the roadmap's own durations."""

from __future__ import annotations

from typing import NamedTuple


class PhaseInfo(NamedTuple):
    """A phase's title and the time the roadmap gives it, in words."""

    title: str
    duration: str


PHASES = {
    "start_here": PhaseInfo("Start here", "1 hour"),
    "phase1_basics": PhaseInfo("Mastering the Basics", "1 month"),
    "phase2_oop": PhaseInfo("Object-Oriented Programming", "2 weeks"),
    "phase3_web": PhaseInfo("Web Frameworks", "1.5 months"),
    "phase4_databases": PhaseInfo("Databases and ORMs", "1 month"),
    "phase5_advanced": PhaseInfo("Advanced Backend Concepts", "1 month"),
    "phase6_projects": PhaseInfo("Building Projects and Finding Work", "ongoing"),
}
