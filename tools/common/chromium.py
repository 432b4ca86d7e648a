"""The browser that the tests and the screenshots drive."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

WAIT_MS = 10_000  # far more than any step takes on a busy machine
CLOSE_SECONDS: Final = 15.0  # closing takes less than a second; on a busy machine, a few
AT_USUAL_PRIORITY: Final = Path(__file__).with_suffix(".sh")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HEADLESS_SHELL: Final = "chromium-headless-shell"  # the name of Debian's package and program


class ChromiumKilled(UserWarning):
    """Chromium did not close in time, and was killed."""


@contextmanager
def chromium(close_seconds: float = CLOSE_SECONDS, *, shell: bool = False) -> Iterator[Browser]:
    """Start Chromium: the path in `CHROMIUM`, or else the system's, or else Playwright's.

    Args:
        shell: True prefers the headless shell where it is installed. It is the same engine without a browser's own
            window and tabs, and needs two thirds of the processor time.
        close_seconds: Seconds after which a browser that does not close is killed.

    Yields:
        The browser. Close its contexts before: `open_context` does.

    Warns:
        ChromiumKilled: It had to be killed.
    """
    names = (HEADLESS_SHELL, *NAMES) if shell else NAMES
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    running_as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        if running_as_root and path:
            browser = playwright.chromium.launch(
                executable_path=AT_USUAL_PRIORITY,
                env={**os.environ, "CHROMIUM": path},
                args=["--no-sandbox"],  # Chromium refuses its sandbox to root
            )
        else:
            browser = playwright.chromium.launch(
                executable_path=path, args=["--no-sandbox"] if running_as_root else []
            )
        process_id = _process_id(browser)
        # Playwright starts it in a group of its own, led by a script or by Chromium itself.
        group = os.getpgid(process_id)
        try:
            yield browser
        finally:
            if not _close(browser, group, close_seconds):
                message = f"Chromium (process {process_id}) did not close within {close_seconds:g} s, and was killed"
                warnings.warn(message, ChromiumKilled, stacklevel=3)


def _process_id(browser: Browser) -> int:
    devtools = browser.new_browser_cdp_session()
    processes = devtools.send("SystemInfo.getProcessInfo")["processInfo"]
    devtools.detach()
    return next(int(process["id"]) for process in processes if process["type"] == "browser")


def _close(browser: Browser, group: int, within: float) -> bool:
    """Close the browser; kill its group of processes if that takes longer than `within` seconds.

    Returns:
        Whether it closed in time.
    """
    killed = threading.Event()

    def kill() -> None:
        killed.set()
        # All of the group hold its stderr, whose end Playwright awaits.
        os.killpg(group, signal.SIGKILL)

    # `Browser.close` takes no timeout, and no other thread may call Playwright.
    watchdog = threading.Timer(within, kill)
    watchdog.start()
    try:
        browser.close()
    finally:
        watchdog.cancel()
        watchdog.join()
    return not killed.is_set()


@contextmanager
def open_context(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """Open a context, and close it with its tabs.

    Args:
        browser: The browser.
        options: Options of `Browser.new_context`.

    Yields:
        The context. Its timeout is `WAIT_MS`.
    """
    context = browser.new_context(**options)
    context.set_default_timeout(WAIT_MS)
    try:
        yield context
    finally:
        close_context(context)


def close_context(context: BrowserContext) -> None:
    """Leave the pages of a context, then close it."""
    try:
        for page in context.pages:
            leave(page)
    finally:
        context.close()


def leave(page: Page) -> None:
    """Navigate away from a page: it saves its state first, and no navigation of its own is under way afterwards.

    A tab that is closed while it navigates may stay, although Chromium reports it as closed. Playwright waits for its
    end without a limit: https://github.com/microsoft/playwright/issues/42366, https://crbug.com/536385539.

    Raises:
        Error, TimeoutError: It cannot be left within `WAIT_MS`.
    """
    deadline = time.monotonic() + WAIT_MS / 1000
    while not page.is_closed():
        # A navigation that the page began before may be committed after this one. From about:blank, none begins.
        was_left = page.url == "about:blank"
        try:
            page.goto("about:blank")
        except Error as error:
            # by a navigation that the page had begun
            is_interrupted = "interrupted by another navigation" in error.message or "ERR_ABORTED" in error.message
            if not is_interrupted or time.monotonic() > deadline:
                raise
        else:
            if was_left:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"the page navigates again each time it is left: {page.url}")
