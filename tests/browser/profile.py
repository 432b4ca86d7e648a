"""A browser profile that tests use one after the other, each as if it were new."""

from __future__ import annotations

import time
from typing import Any, Final

from playwright.sync_api import Browser, Page

from ..leaks import SETTLE
from .chromium import WAIT_MS
from .complaints import Complaints

# What the next document of this origin would find.
STORED: Final = """async () => [
    ...Object.keys(localStorage),
    ...(await indexedDB.databases()).map(({ name }) => `the database ${name}`),
    ...(document.cookie ? [document.cookie] : []),
]"""
# Every tab of a context gets a clock that is not the browser's, and nothing takes it away.
CHANGED: Final = """() => [
    ...(Date === window.OwnDate ? [] : ["a clock of its own"]),
    ...(navigator.onLine ? [] : ["a broken connection"]),
]"""
# Options of a context that a tab can be given when there is one already.
MEDIA: Final = {"color_scheme", "reduced_motion"}
OF_A_TAB: Final = {"viewport", "permissions", *MEDIA}
# A page of the origin that runs nothing and asks for nothing, not even for an icon.
WATCHER: Final = '<!doctype html><link rel="icon" href="data:,">'


class Profile:
    """A browser context in which each test has a tab of its own.

    A new context has none of the page's files in its cache, and a window to open: half of the time that a short test
    would take. The cache stays, because no file ever changes under its name. What a reader or a test has left is
    taken away by `renew`.

    Args:
        browser: Where the profile lives, until `close`.
        url: The server's address.
        complaints: Takes what the browser complains of.
        options: Options of the context.

    Attributes:
        context: The context.
    """

    def __init__(self, browser: Browser, url: str, complaints: Complaints, **options: Any) -> None:
        self._browser = browser
        self._origin = url
        self._complaints = complaints
        self._options = options
        self._start()

    def _start(self) -> None:
        self.context = self._browser.new_context(base_url=self._origin, **self._options)
        self.context.set_default_timeout(WAIT_MS)
        self._complaints.listen(self.context, self._origin)
        # Keeps the window, and looks at what is stored without being the page that stores it.
        self._watcher = self.context.new_page()
        self._watcher.route("/", lambda route: route.fulfill(body=WATCHER, content_type="text/html"))
        self._watcher.goto("/")
        self._watcher.unroute_all()
        self._watcher.evaluate("() => { window.OwnDate = Date; }")
        self._devtools = self.context.new_cdp_session(self._watcher)

    def lend(self, **options: Any) -> Page:
        """Return a new tab.

        Args:
            options: Options of a context, among those of `OF_A_TAB`, that hold for this tab or until `renew`.
        """
        self.context.grant_permissions(options.get("permissions", []))
        tab = self.context.new_page()
        if "viewport" in options:
            tab.set_viewport_size(options["viewport"])
        tab.emulate_media(**{name: value for name, value in options.items() if name in MEDIA})
        return tab

    def renew(self) -> None:
        """Leave the page and forget what was stored, allowed and put in between.

        Raises:
            AssertionError: Something cannot be taken away, such as the clock of `page.clock.install`. A test that
                leaves such a thing needs a context of its own; the one after it has a new one.
        """
        try:
            self._leave()
            self.context.unroute_all()
            self.context.clear_permissions()
            self.context.set_offline(False)
            self._clear()
            left = self._watcher.evaluate(CHANGED)
            assert left == [], f"the next test would find {left}"
        except BaseException:
            self.close()
            self._start()
            raise

    def _leave(self) -> None:
        for page in self.context.pages:
            if page != self._watcher:
                # It writes down what it has not yet kept; when the next page is there, it has.
                page.goto("about:blank")
                page.close()

    def _clear(self) -> None:
        deadline = time.monotonic() + SETTLE
        while True:
            self._devtools.send("Storage.clearDataForOrigin", {"origin": self._origin, "storageTypes": "all"})
            # Each tab has a copy of its own of what is stored, and hears some moments later that it is gone.
            left = self._watcher.evaluate(STORED)
            if left == []:
                return
            assert time.monotonic() < deadline, f"the next test would find {left}"

    def close(self) -> None:
        """Close the context and all its tabs."""
        self.context.close()
