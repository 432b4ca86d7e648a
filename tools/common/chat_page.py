"""A page object of the chat page, so that tests use questions and answers instead of selectors."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect

from .chromium import WAIT_MS

COMPLETE = re.compile("^(Answer complete|回答完成)$")


# The first interaction loads Markdown and what keeps the focus. Importing the same modules again waits until the page
# has them.
WAIT_FOR_MARKDOWN = """async () => {
    const main = document.querySelector("script[src$='/main.js']").src;
    const files = ["../vendor/markdown-it.js", "../vendor/dompurify.js", "./shared/interaction.js"];
    const { url } = await fetch(main); // after a redirect from another version
    await Promise.allSettled(files.map((file) => import(new URL(file, url).href)));
}"""


# The page holds a lock for each answer until the answer is saved: see chat/run.js.
UNLOCKED = """async (timeout) => {
    const { held } = await navigator.locks.query();
    const names = held.map(({ name }) => name).filter((name) => name.startsWith("sluice.answer."));
    const signal = AbortSignal.timeout(timeout);
    await Promise.all(names.map((name) => navigator.locks.request(name, { signal }, () => undefined)));
}"""
# What the page hears when another tab changes the settings.
CHANGE_LANGUAGE = """(language) => {
    const key = "sluice.settings.1";
    localStorage.setItem(key, JSON.stringify({ ...JSON.parse(localStorage.getItem(key)), language }));
    dispatchEvent(new StorageEvent("storage", { key }));
}"""
CONFIGURE = """(changes) => {
    const { fetch } = window;
    window.fetch = async (...asked) => {
        const response = await fetch(...asked);
        if (!response.ok || !String(asked[0]).endsWith("api/config")) return response;
        return Response.json({ ...(await response.json()), ...changes });
    };
}"""
WITHOUT_TIMEOUTS = """(() => {
    const { setTimeout } = window;
    window.setTimeout = (run, delay, ...rest) => (delay === %d ? 0 : setTimeout(run, delay, ...rest));
})()"""


class ChatPage:
    """The chat page in a browser."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.field = page.locator("#sluice-message")
        self.send_button = page.locator("button.send")
        self.questions = page.locator(".question")
        self.answers = page.locator(".answer")
        self.answer = self.answers.last
        self.prose = self.answer.locator("> .prose")
        self.failure = page.locator(".failure")
        self.countdown = page.locator("button.retry:disabled")
        self.details = self.answer.locator(".answer-details")
        self.show_details = self.answer.locator(".show-details")
        self.retry_button = page.locator("button.retry")
        self.status = page.get_by_role("status")

    def open(self) -> ChatPage:
        """Open the page, and wait until it is ready and its libraries have loaded or failed to load."""
        self.page.goto("/")
        expect(self.page.locator("#sluice-empty")).to_be_visible()  # shown when the page is ready
        self.load_rest()
        return self

    def load_rest(self) -> None:
        """Use the page, and wait until what the first interaction loads has loaded or failed to load."""
        self.page.keyboard.press("Shift")
        self.page.evaluate(WAIT_FOR_MARKDOWN)

    def change_language(self, language: str) -> None:
        """Change the language in the settings, of a page for anybody."""
        self.page.evaluate(CHANGE_LANGUAGE, language)

    def ask(self, message: str) -> None:
        """Write a message and send it."""
        self.field.fill(message)
        self.field.press("Enter")

    def ask_and_wait(self, message: str) -> Locator:
        """Send a message, wait for the complete answer, and return the locator of its text."""
        self.wait_shown()
        before = self.answers.count()
        self.ask(message)
        expect(self.answers).to_have_count(before + 1)
        self.wait_complete()
        return self.prose

    def choose_action(self, name: str, exchange: int = -1) -> None:
        """Choose an action from the menu below an answer.

        Args:
            name: The name of the action.
            exchange: The index of the question and answer, as in a list.
        """
        self.page.locator(".exchange").nth(exchange).get_by_role("button", name="More actions").click()
        self.page.get_by_role("menuitem", name=name, exact=True).click()

    def wait_complete(self) -> None:
        """Wait until the last answer is complete and shown to its end."""
        expect(self.status).to_have_text(COMPLETE)
        self.wait_shown()

    def wait_shown(self) -> None:
        """Wait until the chosen conversation has been read and all of its text is rendered.

        Both happen after the conversation was chosen, and on a busy machine noticeably later. What does not wait by
        itself, such as counting elements, comes too early without this.
        """
        expect(self.page.locator("#sluice-log[aria-busy=true], .prose[aria-busy=true]")).to_have_count(0)

    def wait_saved(self) -> None:
        """Wait until no tab of this browser is writing or saving an answer.

        A complete answer is shown before it is saved. What reads the database elsewhere, such as another tab, may
        come first on a busy machine.
        """
        self.page.evaluate(UNLOCKED, WAIT_MS)

    def without_timeouts_of(self, milliseconds: int) -> None:
        """Load pages whose timeouts of this length never fire.

        For tests of what comes before such a timeout. On a busy machine, the timeout may fire first.
        """
        self.page.add_init_script(WITHOUT_TIMEOUTS % milliseconds)

    def configure(self, **changes: Any) -> None:
        """Change the configuration that the server returns. Call before `open`.

        Without a route: while a page has one, its browser uses no cache, which takes as long as the test.
        """
        self.page.add_init_script(f"({CONFIGURE})({json.dumps(changes)})")

    def reply_once(self, **response: Any) -> list[dict[str, Any]]:
        """Answer the next message with this response, as a proxy between page and server could.

        Returns:
            A list to which the body of the request is appended.
        """
        bodies: list[dict[str, Any]] = []

        def fulfil(route: Route) -> None:
            bodies.append(json.loads(route.request.post_data or "null"))
            route.fulfill(**response)

        self.page.route("**/api/chat", fulfil, times=1)
        return bodies

    def reply_busy_once(self, seconds: int) -> None:
        """Refuse the next message as a busy server does, with this `Retry-After` in seconds."""
        body = {"success": False, "error": "busy", "code": "overloaded", "retryable": True, "request_id": "r-17"}
        self.reply_once(status=503, headers={"Retry-After": str(seconds)}, json=body)

    def overflow(self) -> int:
        """Return how many pixels the document is wider than the window."""
        # Below 0 where the scrollbar has its room and is not there.
        wider = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return max(0, int(wider))


def frames(*parts: dict[str, Any]) -> str:
    """Return an event stream with these frames."""
    return "".join(f"data: {json.dumps(part)}\n\n" for part in parts)


def text_frame(text: str) -> dict[str, Any]:
    """Return a frame with a text."""
    return {"success": True, "message": text, "interaction_mode": "stream"}


DONE_FRAME = {**text_frame(""), "done": True, "finish_reason": "stop"}
