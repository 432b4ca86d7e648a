"""Answers whose text is divided by calls of tools and thoughts: links and footnotes are those of one text."""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame

from .fed_answer import FedAnswer, call_frame, result_frame

TOOL: Final = (call_frame("c", "search"), result_frame("c", "search", "found"))
THOUGHT: Final = {**text_frame(""), "reasoning": "And then?"}
# How many changes the first part of the answer has seen.
COUNT_CHANGES: Final = """() => {
    window.changes = 0;
    const watcher = new MutationObserver((records) => (window.changes += records.length));
    const first = document.querySelector(".answer > .prose");
    watcher.observe(first, { childList: true, subtree: true, characterData: true });
}"""


@pytest.fixture
def chat(browser_page: Page) -> ChatPage:
    return ChatPage(browser_page).open()


def test_a_definition_that_comes_later_makes_links_of_earlier_parts_while_the_answer_grows(chat: ChatPage) -> None:
    answer = FedAnswer(chat.page)
    chat.ask("Where to?")
    answer.send("Rome is warm[^1], none[^2], see [the guide][g] and [no][x].", *TOOL)
    first = chat.prose.first.locator("p")
    shown = "Rome is warm1, none2, see [the guide][g] and [no][x]."
    expect(first).to_have_text(shown)
    answer.send("It is far[^1] from [the guide][g].\n\n")
    second = chat.prose.nth(1).locator("p").first
    expect(second).to_have_text("It is far1 from [the guide][g].")
    expect(first).to_have_text(shown)

    chat.page.evaluate(COUNT_CHANGES)
    for word in range(20):
        answer.send(f"word {word} ")
        expect(chat.prose.nth(1)).to_contain_text(f"word {word}")
    assert chat.page.evaluate("window.changes") == 0
    answer.send("\n\n[g]: https://example.org/gui")
    answer.send("de\n\n")
    answer.send("The end.\n\n[^1]: The source.\n\nAnd")
    links = chat.prose.first.get_by_role("link")
    expect(links).to_have_text(["1", "the guide"])
    assert links.nth(1).get_attribute("href") == "https://example.org/guide"
    expect(first).to_have_text("Rome is warm1, none2, see the guide and [no][x].")
    assert chat.page.evaluate("window.changes") <= 6
    answer.send("See [no][x].", THOUGHT, "[x]: https://example.org/x", DONE_FRAME)
    chat.wait_complete()
    expect(chat.prose).to_have_count(3)
    expect(first).to_have_text("Rome is warm1, none[^2], see the guide and no.")
    expect(second).to_have_text("It is far1 from the guide.")
    expect(chat.prose.nth(1).get_by_role("link")).to_have_text(["1", "the guide", "1", "no"])

    references = chat.prose.locator(".footnote-reference")
    label = chat.prose.locator(".footnote-label")
    expect(references).to_have_count(2)
    expect(label).to_have_text("1")
    references.first.click()
    expect(label).to_be_focused()
    chat.page.keyboard.press("Enter")
    expect(references.first).to_be_focused()
    expect(references.first).to_have_accessible_name("Footnote 1")

    outline = chat.answer.locator(".prose").evaluate_all("(all) => all.map((each) => each.innerHTML)")
    chat.wait_saved()
    chat.page.reload()
    expect(chat.prose.first.get_by_role("link")).to_have_text(["1", "the guide", "no"])
    expect(first).to_have_text("Rome is warm1, none[^2], see the guide and no.")
    assert chat.answer.locator(".prose").evaluate_all("(all) => all.map((each) => each.innerHTML)") == outline


@pytest.mark.browser_context(permissions=["clipboard-read", "clipboard-write"])
def test_the_first_definition_counts_in_all_parts_and_the_copy_has_the_source(chat: ChatPage) -> None:
    texts = (
        "See [a] and [b].\n\n[a]: https://example.org/a",
        "[a], [b][].\n\n[a]: https://example.org/other\n[b]: <https://example.org/b>",
        "[a] [b] [^n]\n\n[^n]: Note.",
    )
    parts = (text_frame(texts[0]), *TOOL, text_frame(texts[1]), THOUGHT, text_frame(texts[2]), DONE_FRAME)
    chat.reply_once(content_type="text/event-stream", body=frames(*parts))
    chat.ask("Look it up")
    chat.wait_complete()
    expect(chat.prose).to_have_count(3)
    expect(chat.prose.locator("a")).to_have_count(6)
    addresses = [each.get_attribute("href") for each in chat.prose.locator("a").all()]
    assert addresses == ["https://example.org/a", "https://example.org/b"] * 3
    expect(chat.prose.last.locator("p").first).to_have_text("a b n")
    chat.answer.get_by_role("button", name="Copy answer").click()
    expect(chat.status).to_have_text("Copied")
    copied: dict[str, Any] = chat.page.evaluate("""async () => {
        const [item] = await navigator.clipboard.read();
        const read = async (type) => (await item.getType(type)).text();
        return Object.fromEntries(await Promise.all(item.types.map(async (type) => [type, await read(type)])));
    }""")
    assert copied["text/plain"] == "\n\n".join(texts)
    assert copied["text/html"].count('<a href="https://example.org/b">') == 3


def test_a_continued_answer_defines_its_links_anew(chat: ChatPage) -> None:
    """The address that was cut off is not one."""
    cut = {"success": False, "error": "lost", "code": "upstream_truncated", "retryable": True}
    begun = (text_frame("See [the guide][g]."), *TOOL, text_frame("It is there.\n\n[g]: https://exam"), cut)
    chat.reply_once(content_type="text/event-stream", body=frames(*begun))
    chat.ask("Where to?")
    link = chat.prose.first.get_by_role("link")
    expect(link).to_have_attribute("href", "https://exam")
    rest = (text_frame("ple.org/guide"), DONE_FRAME)
    chat.reply_once(content_type="text/event-stream", body=frames(*rest))
    chat.answer.get_by_role("button", name="Continue").click()
    chat.wait_complete()
    expect(link).to_have_attribute("href", "https://example.org/guide")
