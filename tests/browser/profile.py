"""A browser profile that tests share, reset after each test."""

from __future__ import annotations

import time
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tools.common.chromium import WAIT_MS, close_context, leave
from tools.common.leaks import SETTLE

from .browser_errors import BrowserErrors

# What the next document of this origin would find stored.
STORED: Final = """async () => [
    ...Object.keys(localStorage),
    ...(await indexedDB.databases()).map(({ name }) => `the database ${name}`),
    ...(document.cookie ? [document.cookie] : []),
]"""
# Changes of a context that cannot be undone, such as Playwright's clock.
CHANGED: Final = """() => [
    ...(Date === window.OwnDate ? [] : ["a clock of its own"]),
    ...(navigator.onLine ? [] : ["a broken connection"]),
]"""
# What stays with a tab.
LASTING: Final = (
    (Page, ("add_init_script", "emulate_media", "expose_binding", "expose_function", "on", "once")),
    (BrowserContext, ("new_cdp_session",)),
)
# Context options that can be set for a tab of an existing context.
MEDIA: Final = {"color_scheme", "reduced_motion"}
TAB_OPTIONS: Final = {"viewport", "permissions", *MEDIA}
# A page of the origin without scripts and requests, even for an icon.
WATCHER: Final = '<!doctype html><link rel="icon" href="data:,">'


class Profile:
    """A browser context that tests share, and a tab that most of them share.

    A new context has an empty cache and opens a window: half of the time of a short test. The process of a new tab
    fetches and compiles 130 files: a third of what is left. The caches may stay, because files never change under the
    same name. `reset` removes all other traces of a test, and the tab itself where something stays with it.

    Args:
        browser: The browser.
        url: The server's address.
        browser_errors: Records the errors of the context.
        options: Options of the context.

    Attributes:
        context: The context.
    """

    def __init__(self, browser: Browser, url: str, browser_errors: BrowserErrors, **options: Any) -> None:
        self._browser = browser
        self._origin = url
        self._browser_errors = browser_errors
        self._options = options
        self._start()

    def _noted(self, method: Any) -> Any:
        """Return a method whose use ends the sharing of the tab."""

        def note(*args: Any, **kwargs: Any) -> Any:
            self._is_changed = True
            return method(*args, **kwargs)

        return note

    def _start(self) -> None:
        self.context = self._browser.new_context(base_url=self._origin, **self._options)
        self.context.set_default_timeout(WAIT_MS)
        self._browser_errors.listen(self.context, self._origin)
        # A tab that keeps the window open and inspects the storage.
        self._watcher = self.context.new_page()
        self._watcher.route("/", lambda route: route.fulfill(body=WATCHER, content_type="text/html"))
        self._watcher.goto("/")
        self._watcher.unroute_all()
        self._watcher.evaluate("() => { window.OwnDate = Date; }")
        self._devtools = self.context.new_cdp_session(self._watcher)
        self._tab: Page | None = None
        self._is_changed = False
        self._notes = pytest.MonkeyPatch()
        for owner, methods in LASTING:
            for method in methods:
                self._notes.setattr(owner, method, self._noted(getattr(owner, method)))

    def new_page(self, **options: Any) -> Page:
        """Return an empty tab.

        Args:
            options: Context options of `TAB_OPTIONS`, which apply until `reset`.
        """
        self.context.grant_permissions(options.get("permissions", []))
        tab = self._tab = self._tab or self.context.new_page()
        if tab.viewport_size != (viewport := options.get("viewport", self._options["viewport"])):
            tab.set_viewport_size(viewport)
        if media := {name: value for name, value in options.items() if name in MEDIA}:
            tab.emulate_media(**media)
        return tab

    def reset(self) -> None:
        """Leave or close the tabs; clear storage, permissions and routes.

        Raises:
            AssertionError: A change cannot be undone, such as `page.clock.install`. Mark such a test with
                `browser_context`. The profile is created again for the next test.
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
                leave(page)
                if page != self._tab or self._is_changed:
                    page.close()
                else:
                    page.unroute_all()
        if self._tab and self._tab.is_closed():
            self._tab = None
        self._is_changed = False

    def _clear(self) -> None:
        deadline = time.monotonic() + SETTLE
        while True:
            self._devtools.send("Storage.clearDataForOrigin", {"origin": self._origin, "storageTypes": "all"})
            # Each tab caches the storage and learns of the change a moment later.
            left = self._watcher.evaluate(STORED)
            if left == []:
                return
            assert time.monotonic() < deadline, f"the next test would find {left}"

    def close(self) -> None:
        """Close the context and all its tabs."""
        self._notes.undo()
        close_context(self.context)
