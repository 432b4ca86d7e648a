"""The browser of the tests: it takes no processor time from the servers, and closes in time whatever the pages do."""

from __future__ import annotations

import contextlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.polling import wait_until
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


def process_ids(browser: Browser) -> dict[str, int]:
    """Return the id of a process of each type."""
    devtools = browser.new_browser_cdp_session()
    processes = devtools.send("SystemInfo.getProcessInfo")["processInfo"]
    devtools.detach()
    return {process["type"]: int(process["id"]) for process in processes}


def threads_before_others(process_id: int) -> list[str]:
    """Return the names of a process's threads whose nice value is negative."""
    found = []
    for task in Path(f"/proc/{process_id}/task").iterdir():
        # one that has ended meanwhile is none
        with contextlib.suppress(OSError):
            if os.getpriority(os.PRIO_PROCESS, int(task.name)) < 0:
                found.append((task / "comm").read_text().strip())
    return found


def test_no_thread_of_the_browser_goes_before_the_servers(browser: Browser, browser_page: Page) -> None:
    browser_page.goto("/")
    assert {
        kind: found for kind, each in process_ids(browser).items() if (found := threads_before_others(each))
    } == {}


def close_a_stopped_browser() -> int:
    with chromium(close_seconds=1, shell=True) as browser:
        process_id = process_ids(browser)["browser"]
        os.kill(process_id, signal.SIGSTOP)
    return process_id


def test_a_browser_that_does_not_close_is_killed_and_named() -> None:
    # A thread of its own: Playwright runs once in a thread, and the other tests' browser is in this one.
    with pytest.warns(ChromiumKilled) as warned, ThreadPoolExecutor(1) as threads:
        process_id = threads.submit(close_a_stopped_browser).result(timeout=30)
    assert [str(warning.message) for warning in warned] == [
        f"Chromium (process {process_id}) did not close within 1 s, and was killed"
    ]
    wait_until(lambda: not Path(f"/proc/{process_id}").exists(), 5)
