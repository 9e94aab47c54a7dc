"""Python Backend Roadmap: a Jupyter notebook course with autograding.

``%load_ext roadmap`` in a lesson makes its checks tick the progress checklist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Tick the checklist as checks pass in this shell."""
    from roadmap.progress import extension

    extension.load_ipython_extension(ipython)


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """Tick no more."""
    from roadmap.progress import extension

    extension.unload_ipython_extension(ipython)
