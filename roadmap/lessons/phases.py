"""The course's phases in teaching order, with the roadmap's own durations."""

from __future__ import annotations

from typing import NamedTuple


class PhaseInfo(NamedTuple):
    """A phase's title and the time the roadmap gives it, in words."""

    title: str
    duration: str


PHASES = {
    "start_here": PhaseInfo("Start here", "1 hour"),
    "phase1_basics": PhaseInfo("Phase 1: Mastering the Basics", "1 month"),
    "phase2_oop": PhaseInfo("Phase 2: Object-Oriented Programming", "2 weeks"),
    "phase3_web": PhaseInfo("Phase 3: Web Frameworks", "1.5 months"),
    "phase4_databases": PhaseInfo("Phase 4: Databases and ORMs", "1 month"),
    "phase5_advanced": PhaseInfo("Phase 5: Advanced Backend Concepts", "1 month"),
    "phase6_projects": PhaseInfo(
        "Final phase: Building Projects and Finding Work", "ongoing"
    ),
}
