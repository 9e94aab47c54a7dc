"""Cells are transformed as IPython does, whether or not they are cut into tokens."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.inputtransformer2 import TokenTransformBase, TransformerManager

from roadmap.grading.sandbox.kernel import Transformers

CELLS = (
    "%pwd",
    "x = %pwd",
    "x = \\\n  %pwd",
    "a = b = !ls",
    "files =!ls",
    "if x:\n    !ls {x}",
    "len?",
    "?len",
    "x = 1\nlen??  ",
    ",f a b",
    ";f a b",
    "/f a",
    "def f():\n    %time 1",
    "x = '''\n%pwd\n'''",
    "f(a,\n  !b)",
    "x = 1 % 2 != 3\nf'{x!r:>5}' if x else 'why?'",
    "%%bash\nls",
    ">>> %pwd",
    "\f%pwd",
)


@pytest.mark.parametrize("cell", CELLS)
def test_cell_is_transformed_as_ipython_does(cell: str) -> None:
    assert Transformers().transform_cell(cell) == TransformerManager().transform_cell(
        cell
    )


def test_transformer_that_a_cell_adds_is_used() -> None:
    class Louder(TokenTransformBase):  # type: ignore[misc]  # not typed there
        @classmethod
        def find(cls, tokens_by_line: list[Any]) -> Louder | None:
            name = tokens_by_line[0][0]
            return cls(name.start) if name.string == "quiet" else None

        def transform(self, lines: list[str]) -> list[str]:
            return ["loud\n"]

    transformers = Transformers()
    transformers.token_transformers.append(Louder)
    assert transformers.transform_cell("quiet") == "loud\n"
