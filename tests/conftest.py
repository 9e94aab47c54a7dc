"""What tests of several folders share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
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
