"""Errors that the browser reports."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError


@dataclass
class BrowserErrors:
    """Records console errors (including violations of the Content-Security-Policy), uncaught exceptions and requests
    to other origins."""

    recorded: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        """Accept errors that match this regular expression."""
        self.expected.append(pattern)

    @property
    def unexpected(self) -> list[str]:
        """The recorded errors that no pattern accepts."""
        return [text for text in self.recorded if not any(re.search(pattern, text) for pattern in self.expected)]

    def clear(self) -> None:
        """Clear recorded errors and expected patterns."""
        self.recorded.clear()
        self.expected.clear()

    def listen(self, context: BrowserContext, origin: str) -> None:
        """Record the errors of a context until it is closed.

        Args:
            context: The context.
            origin: The only origin that its pages may send requests to.
        """

        def record_console(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.recorded.append(f"console: {message.text} ({message.location.get('url', '')})")

        def record_request(asked: Request) -> None:
            if not asked.url.startswith(("data:", "blob:", f"{origin}/")):
                self.recorded.append(f"request to another origin: {asked.url}")

        def record_error(error: WebError) -> None:
            self.recorded.append(f"uncaught: {error.error}")

        context.on("console", record_console)
        context.on("request", record_request)
        context.on("weberror", record_error)
