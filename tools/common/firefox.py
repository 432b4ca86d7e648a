"""Firefox, where one is installed, for tests that hold in more than one browser."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

NAMES: Final = ("firefox-esr", "firefox")
BEHIND_RELAY: Final = Path(__file__).with_suffix(".sh")


def find_firefox() -> str | None:
    """Return the path in `FIREFOX`, or else that of the system's; None if there is none."""
    return os.environ.get("FIREFOX") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def firefox(path: str) -> Iterator[Browser]:
    """Start Firefox.

    Playwright's own Firefox is not needed: it drives an installed one by WebDriver BiDi, through `bidi_relay.py`.

    Args:
        path: The program.

    Yields:
        The browser. Close its contexts before.
    """
    with sync_playwright() as playwright:
        browser = playwright.firefox.launch(
            channel="moz-firefox",
            executable_path=BEHIND_RELAY,
            env={**os.environ, "PYTHON": sys.executable, "FIREFOX": path},
        )
        try:
            yield browser
        finally:
            browser.close()
