"""An answer whose frames a test sends one by one, in the place of the server's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from playwright.sync_api import Page

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame

# The reply to the next question comes from the test; the request's body is kept.
_FEED: Final = """({ run, begins }) => {
    const { fetch } = window;
    delete window.feed; // of an earlier answer
    window.fetch = (address, options) => {
        if (!String(address).endsWith("api/chat")) return fetch(address, options);
        window.fetch = fetch;
        window.askedBody = JSON.parse(options.body);
        const body = new ReadableStream({
            start(controller) {
                window.feed = (text) => controller.enqueue(new TextEncoder().encode(text));
                if (begins) window.feed(begins);
                window.endFeed = () => controller.close();
                options.signal.addEventListener("abort", () => controller.error(options.signal.reason));
            },
        });
        const headers = { "Content-Type": "text/event-stream", ...(run && { "Sluice-Run": run }) };
        return Promise.resolve(new Response(body, { headers }));
    };
}"""


class FedAnswer:
    """The answer to the next question of an open page.

    Args:
        page: The page.
        run: The id under which the server keeps the answer; empty if it does not.
        at_once: Frames, or texts, that come with the reply, as from a model that takes no time.
    """

    def __init__(self, page: Page, run: str = "", *, at_once: Sequence[dict[str, Any] | str] = ()) -> None:
        self._page = page
        self._sent = len(at_once)
        page.evaluate(_FEED, {"run": run, "begins": numbered(1, *at_once)})

    def send(self, *parts: dict[str, Any] | str) -> None:
        """Send frames, numbered from 1; a text stands for the frame with it."""
        self._page.wait_for_function("() => window.feed")
        self._page.evaluate("(text) => window.feed(text)", numbered(self._sent + 1, *parts))
        self._sent += len(parts)

    def end(self) -> None:
        """End the body."""
        self._page.evaluate("() => window.endFeed()")


def ask_next(chat: ChatPage, question: str) -> Any:
    """Ask a question that is answered with a sentence, and return the body of its request."""
    answer = FedAnswer(chat.page)
    chat.ask(question)
    answer.send("Gladly.", DONE_FRAME)
    chat.wait_complete()
    return chat.page.evaluate("askedBody")


def numbered(first: int, *parts: dict[str, Any] | str) -> str:
    """Return a stream of these frames with their ids; a text stands for the frame with it."""
    whole = [text_frame(part) if isinstance(part, str) else part for part in parts]
    return "".join(f"id: {first + index}\n{frames(part)}" for index, part in enumerate(whole))


def call_frame(call: str, name: str, arguments: str = "{}", **more: Any) -> dict[str, Any]:
    """Return a frame with the call of a tool."""
    return {**text_frame(""), "tool_call": {"id": call, "name": name, "arguments": arguments, **more}}


def result_frame(call: str, name: str, text: str, *, code: str = "", **more: Any) -> dict[str, Any]:
    """Return a frame with the result of a call; with a code, of one that failed."""
    result = {"id": call, "name": name, "text": text, "is_error": bool(code), "seconds": 0.4, **more}
    if code:
        result["code"] = code
    return {**text_frame(""), "tool_result": result}


def custom_frame(name: str, **data: Any) -> dict[str, Any]:
    """Return a frame with an event of the application."""
    return {**text_frame(""), "custom": {"name": name, "data": data}}
