"""Brings the page into each of its states, for tests that check all of them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator

from playwright.sync_api import expect

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame
from tools.common.scripted_model import Chunk, ScriptedModel, finished, resetting_after, said, usage_of

from .fed_answer import FedAnswer, call_frame, custom_frame, result_frame
from .held_requests import HeldRequests

# A PNG image of one pixel.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

RICH = """A word, **bold**, `code`, [a link](https://example.org/), ~~gone~~, 中文与 English.

## A heading

| Left | Right |
|:-----|------:|
| one | 1 |
| 二 | 2 |

- [x] done
- [ ] to do

> A quotation.

```python
def answer() -> int:
    return 42  # the answer
```

```
print(1)
```

| Another | table |
|---------|-------|
| three | 3 |

$$\\sum_{k=1}^{n} k = \\frac{n(n+1)}{2}$$
"""


def states(chat: ChatPage, model: ScriptedModel) -> Iterator[str]:
    """Bring the open page into each state and yield its name. The browser reports an error for the status 503."""
    page = chat.page
    yield "empty"

    word, end = model.gate("before the first token"), model.gate("before the end")
    model.enqueue((word, Chunk(reasoning="Let me see."), *said(RICH), end, *finished(usage=usage_of(9, 42))))
    chat.ask("Show me everything")
    expect(chat.answer).to_have_class("answer running waiting")
    yield "waiting"

    word.open()
    expect(chat.prose.locator("table").first).to_be_visible()
    yield "streaming"

    end.open()
    chat.wait_complete()
    chat.answer.locator(".reasoning summary").click()
    chat.show_details.click()
    expect(chat.prose.locator(".katex").first).to_be_visible()
    yield "complete, all sections open"

    page.locator(".exchange .edit").last.click()
    expect(page.locator(".question-editor textarea")).to_be_focused()
    yield "editing a question"
    page.keyboard.press("Escape")

    model.enqueue(resetting_after("Half"))
    chat.ask("A second\nquestion of two lines")
    expect(chat.failure).to_be_visible()
    if chat.answer.locator(".retry").is_visible():
        chat.answer.locator(".retry").click()
    else:  # the row is too narrow
        chat.choose_action("Try again")
    chat.wait_complete()
    expect(page.locator(".branches:visible")).to_have_count(1)
    yield "a second branch"

    answer = FedAnswer(page, run="a2")
    chat.ask("Look it up")
    answer.send("I will look.", call_frame("1", "search", '{"q": "x"}'))
    answer.send(custom_frame("progress", text="Reading 1 of 2", share=0.5))
    expect(chat.answer.locator("p.progress")).to_be_visible()
    yield "a tool is running"
    answer.send(result_frame("1", "search", "Found.\n" * 40), call_frame("2", "fare", needs_consent=True))
    expect(chat.answer.locator(".consent")).to_be_visible()
    yield "a tool asks for permission"
    answer.send(result_frame("2", "fare", "No reply.", is_error=True), "Here it is.")
    pages = [f"https://example.org/{number}" for number in range(4)]
    answer.send(*(custom_frame("citation", title="A page", url=url, text="Words.") for url in pages), DONE_FRAME)
    chat.wait_complete()
    for summary in chat.answer.locator(":is(.tool, .source-list) summary").all():
        summary.click()
    yield "tools and sources"

    chat.reply_busy_once(3600)  # longer than any test needs for this state
    chat.ask("Busy?")
    expect(chat.countdown).to_be_visible()
    yield "busy"

    headers = {"Sluice-Run": "a1"}
    chat.reply_once(content_type="text/event-stream", headers=headers, body=frames(text_frame("Half a sentence")))
    events = HeldRequests(page, "**/api/runs/*/events")
    page.route("**/api/runs/*/stop", lambda route: route.fulfill(json={"id": "a1", "state": "stopped"}))
    chat.ask("Is it there?")
    expect(chat.answer.locator(".connection")).to_be_visible()
    yield "reconnecting"
    page.keyboard.press("Escape")
    expect(chat.answer.locator(".note")).to_be_visible()
    events.abort()

    page.context.set_offline(True)
    expect(page.locator(".notice.urgent")).to_be_visible()
    yield "offline"
    page.context.set_offline(False)
    expect(page.locator(".notice.urgent")).to_be_hidden()

    page.locator(".exchange .more").last.click()
    expect(page.locator("[role=menu]")).to_be_visible()
    yield "menu of an answer"
    page.keyboard.press("Escape")
    page.locator(".exchange .more").last.click()
    page.locator("[role=menu] .delete").click()
    expect(page.locator("#sluice-undo")).to_be_visible()
    yield "deleted, may be undone"

    page.keyboard.press("Alt+Shift+k")
    page.keyboard.type("everything")
    expect(page.locator(".search-result")).not_to_be_empty()
    yield "searching in the sidebar"

    page.locator(".conversation .more").click()
    expect(page.locator("[role=menu]")).to_be_visible()
    yield "menu of a conversation"
    if page.locator("[role=menu]").count() == 0:  # closed, as its button was outside of a smaller window
        page.locator(".conversation .more").click()

    page.locator(".conversation .rename").click()
    expect(page.locator(".conversation input")).to_be_focused()
    yield "renaming a conversation"
    page.keyboard.press("Escape")
    page.keyboard.press("Alt+Shift+s")
    yield "sidebar turned"

    page.keyboard.press("Alt+Shift+/")
    expect(page.locator("#sluice-shortcuts")).to_be_visible()
    yield "shortcuts"
    page.keyboard.press("Escape")

    page.locator("#sluice-open-settings").click()
    expect(page.locator("#sluice-settings")).to_be_visible()
    yield "settings"
    page.keyboard.press("Escape")

    chat.configure(images=True, max_body_bytes=2**23)
    page.reload()
    with page.expect_file_chooser() as chooser:
        page.locator(".add-files").click()
    picture = {"mimeType": "image/png", "buffer": b64decode(PIXEL)}
    chooser.value.set_files([{"name": f"{name}.png", **picture} for name in ("one", "two")])
    expect(page.locator(".attachments img")).to_have_count(2)
    yield "images to be sent"
    chat.reply_once(content_type="text/event-stream", body=frames(text_frame("Two pixels."), DONE_FRAME))
    chat.ask_and_wait("What are they?")
    expect(page.locator(".thumbnail").last).to_be_visible()
    yield "images of a question"
    page.locator(".thumbnail").last.click()
    expect(page.locator(".image-dialog")).to_be_visible()
    yield "a large image"
    page.keyboard.press("Escape")
