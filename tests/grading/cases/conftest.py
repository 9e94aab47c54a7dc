"""Cases run in the sandbox; where it cannot be had they are skipped, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_class import Graded, graded_together

from roadmap.grading.sandbox import available


@pytest.fixture(scope="session")
def graded_once(
    tmp_path_factory: pytest.TempPathFactory, empty_gradebook: Path
) -> Callable[..., Graded]:
    """Grade a class: ``graded_once(name, cases, settings="")``; see graded_together."""
    if missing := available():
        pytest.skip(f"no sandbox here: {'; '.join(missing)}")
    shared = tmp_path_factory.getbasetemp()

    def grade(name: str, cases: list, **more: object) -> Graded:
        return graded_together(shared, empty_gradebook, name, cases, **more)

    return grade
