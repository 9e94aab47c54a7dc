"""The table of limits in docs/grading.md is the truth, all of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from traitlets import HasTraits

from roadmap.grading import Status
from roadmap.grading.course import Grader, NbgraderCourse
from roadmap.grading.sandbox.provisioner import SandboxProvisioner

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "grading.md").read_text()
ROW = re.compile(
    r"^\| `c\.(\w+)\.(\w+)` \| `(.*?)` \| ?(.*?) \| (.+) \|$", re.MULTILINE
)
UNITS = {"timeout": "seconds", "time_limit": "seconds", "memory_limit": "bytes"}


def documented() -> dict[tuple[str, str], tuple[Any, str]]:
    """Default and unit of each setting in the table."""
    return {
        (owner, name): (ast.literal_eval(default), unit)
        for owner, name, default, unit, _ in ROW.findall(TEXT)
    }


@pytest.mark.parametrize("owner", [Grader, SandboxProvisioner])
def test_every_setting_is_documented_with_its_default(owner: type[HasTraits]) -> None:
    inherited = set().union(
        *(base.class_trait_names(config=True) for base in owner.__bases__)
    )
    own = {
        name: trait.default()
        for name, trait in owner.class_traits(config=True).items()
        if name not in inherited
    }
    table = {
        name: default
        for (of, name), (default, _) in documented().items()
        if of == owner.__name__
    }
    assert table == own
    assert len(own) > 5


def test_the_settings_of_nbgrader_are_those_of_this_course() -> None:
    execute = NbgraderCourse(ROOT).execute
    for (owner, name), (default, _) in documented().items():
        if owner == "ExecutePreprocessor":
            assert getattr(execute, name) == default, name


def test_units_are_said_in_the_table() -> None:
    for (_, name), (_, unit) in documented().items():
        for ending, expected in UNITS.items():
            if name.endswith(ending):
                assert unit.startswith(expected), name


def test_every_status_is_explained() -> None:
    section = TEXT[TEXT.index("## Statuses") : TEXT.index("## A pass needs proof")]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(
        get_args(Status)
    )
