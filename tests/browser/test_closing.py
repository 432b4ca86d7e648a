"""Closing tabs, contexts and the browser: always within a time, whatever the pages do."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, Page

from tools.common.chromium import ChromiumKilled, chromium, open_context

# Begins the next navigation as soon as one has ended.
NAVIGATES = """<!doctype html><link rel="icon" href="data:,"><script>
    addEventListener("load", () => setTimeout(() => location.reload()));
</script>"""


def test_a_context_is_closed_from_pages_that_do_not_navigate(browser: Browser) -> None:
    addresses: dict[Page, str] = {}
    with open_context(browser, base_url="http://page.example") as context:
        context.route("**/*", lambda route: route.fulfill(body=NAVIGATES, content_type="text/html"))
        for page in (context.new_page(), context.new_page()):
            page.on("framenavigated", lambda frame: addresses.update({frame.page: frame.url}))
            page.goto("/")
            with page.expect_navigation():
                pass
    assert list(addresses.values()) == ["about:blank", "about:blank"]


def close_a_stopped_browser() -> int:
    with chromium(close_seconds=1) as browser:
        devtools = browser.new_browser_cdp_session()
        processes = devtools.send("SystemInfo.getProcessInfo")["processInfo"]
        process_id = next(int(process["id"]) for process in processes if process["type"] == "browser")
        os.kill(process_id, signal.SIGSTOP)
    return process_id


def test_a_browser_that_does_not_close_is_killed_and_named() -> None:
    # A thread of its own: Playwright runs once in a thread, and the other tests' browser is in this one.
    with pytest.warns(ChromiumKilled) as warned, ThreadPoolExecutor(1) as threads:
        process_id = threads.submit(close_a_stopped_browser).result(timeout=30)
    assert [str(warning.message) for warning in warned] == [
        f"Chromium (process {process_id}) did not close within 1 s, and was killed"
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
