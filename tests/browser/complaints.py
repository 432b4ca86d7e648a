"""What the browser has to complain of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError


@dataclass
class Complaints:
    """Console errors (violations of the Content-Security-Policy are among them), exceptions nobody caught, and
    requests to other origins."""

    heard: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        """Accept complaints that match this regular expression."""
        self.expected.append(pattern)

    @property
    def unexpected(self) -> list[str]:
        """The complaints that fail a test."""
        return [text for text in self.heard if not any(re.search(pattern, text) for pattern in self.expected)]

    def clear(self) -> None:
        """Forget what was heard and what was expected."""
        self.heard.clear()
        self.expected.clear()

    def listen(self, context: BrowserContext, origin: str) -> None:
        """Note what is complained of in a context, until it is closed.

        Args:
            context: The context.
            origin: The only one that its pages may ask.
        """

        def hear_console(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.heard.append(f"console: {message.text} ({message.location.get('url', '')})")

        def hear_request(asked: Request) -> None:
            if not asked.url.startswith(("data:", "blob:", f"{origin}/")):
                self.heard.append(f"request to another origin: {asked.url}")

        def hear_error(error: WebError) -> None:
            self.heard.append(f"uncaught: {error.error}")

        context.on("console", hear_console)
        context.on("request", hear_request)
        context.on("weberror", hear_error)
