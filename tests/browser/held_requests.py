"""Requests of a page that stay without a reply until a test gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route


class HeldRequests:
    """Holds the requests of a page to some addresses.

    A page may ask again at any time, as after a lost connection. So what ends the waiting of the held ones also
    answers each later one: a request without an answer outlives the test.

    Args:
        page: The page, or a context for all of its pages.
        pattern: The addresses, as `page.route` takes them.
    """

    def __init__(self, page: Page, pattern: str) -> None:
        self._held: list[Route] = []
        self._end: Callable[[Route], None] | None = None
        page.route(pattern, self._take)

    def _take(self, route: Route) -> None:
        if self._end is None:
            self._held.append(route)
        else:
            self._end(route)

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._held)

    def abort(self) -> None:
        """Let all of them fail, now and from now on."""
        self._finish(lambda route: route.abort())

    def fulfill(self, **reply: Any) -> None:
        """Answer all of them alike, now and from now on. The reply's arguments are those of `Route.fulfill`."""
        self._finish(lambda route: route.fulfill(**reply))

    def pass_on(self) -> None:
        """Let the server answer all of them, now and from now on."""
        self._finish(lambda route: route.continue_())

    def _finish(self, end: Callable[[Route], None]) -> None:
        self._end = end
        while self._held:
            end(self._held.pop())
