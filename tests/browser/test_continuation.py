"""The rest of an answer, joined to its beginning as a person would."""

from __future__ import annotations

import json
from typing import Final

from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.page_modules import with_page_modules
from tools.common.scripted_model import ScriptedModel, finished, reply, said

from .test_history_limits import open_conversation

# The beginning, the rest as the model sends it, and both together.
JOINED: Final = [
    ("powers they wield", "The next", "powers they wield The next"),
    ("The quick", "brown fox", "The quick brown fox"),
    ("one of", "the best", "one of the best"),
    ("It is inter", "national news", "It is international news"),
    ("They contin", "ued on", "They continued on"),
    ("an internationalist and an intern", "ationalist too", "an internationalist and an internationalist too"),
    ("The quick", " brown fox", "The quick brown fox"),
    ("The quick ", " brown fox", "The quick brown fox"),
    ("Yes.", "No.", "Yes. No."),
    ("first, ", "second", "first, second"),
    ("first,", "second", "first, second"),
    ("pi is 3.", "14159 or so", "pi is 3.14159 or so"),
    ("The sum is 12", "34 in all", "The sum is 1234 in all"),
    ("well-", "known", "well-known"),
    ("(see", "(2) below", "(see (2) below"),
    ("The word", ", then", "The word, then"),
    ("It is **bold", "** text", "It is **bold** text"),
    ("Use `foo", "_bar` now", "Use `foo_bar` now"),
    ("今天天气", "很好。", "今天天气很好。"),
    ("这是 Flask", "的示例", "这是 Flask的示例"),
    ("我们使用", "Flask 框架", "我们使用Flask 框架"),
    # addresses and mathematics
    ("See https://exam", "ple.com/x for it", "See https://example.com/x for it"),
    ("[a page](https://example.com/gu", "ide) has it", "[a page](https://example.com/guide) has it"),
    ("Write to someone@exam", "ple.com today", "Write to someone@example.com today"),
    ("It is on https://example.com", "The rest", "It is on https://example.com The rest"),
    ("It is on https://example.com/a", "and here", "It is on https://example.com/a and here"),
    ("$$\n\\fra", "c{1}{2}\n$$", "$$\n\\frac{1}{2}\n$$"),
    ("\\[ \\sq", "rt{2} \\]", "\\[ \\sqrt{2} \\]"),
    ("\\begin{ali", "gn}x\\end{align}", "\\begin{align}x\\end{align}"),
    ("$$x$$ The quick", "brown fox", "$$x$$ The quick brown fox"),
    ("$$a\\\\[2pt]b$$ The quick", "brown fox", "$$a\\\\[2pt]b$$ The quick brown fox"),
    ("Write `\\(` first. The quick", "brown fox", "Write `\\(` first. The quick brown fox"),
    ("Write ``\\begin{`x`` first. The quick", "brown fox", "Write ``\\begin{`x`` first. The quick brown fox"),
    ("Set `$HOME` first. The quick", "brown fox", "Set `$HOME` first. The quick brown fox"),
    ("Set `a` to \\( x", "y \\)", "Set `a` to \\( xy \\)"),
    # repeated
    ("jumps over the lazy dog", "the lazy dog and runs", "jumps over the lazy dog and runs"),
    ("The law of interna", "international trade", "The law of international trade"),
    ("1. One\n2. Tw", "2. Two\n3. Three", "1. One\n2. Two\n3. Three"),
    ("It had", "had enough", "It had had enough"),
    # code
    ("```python\ndef f():\n", "```python\n    return 1\n```\n", "```python\ndef f():\n    return 1\n```\n"),
    ("```python\ndef f():", "```python\n    return 1\n```\n", "```python\ndef f():\n    return 1\n```\n"),
    ("```python\nx = va", "```python\nlue\n```", "```python\nx = value\n```"),
    ("```python\nx = va", "lue + 1\n```", "```python\nx = value + 1\n```"),
    ("```python\nx = 1", "```\n\nDone.", "```python\nx = 1\n```\n\nDone."),
    ("```lua\n  end\n", "end\n```", "```lua\n  end\nend\n```"),
    ("```js\nlet a;\n", "So:\n\n```js\nb;\n", "```js\nlet a;\n```\n\nSo:\n\n```js\nb;\n"),
    # blocks
    ("- one\n- two", "- three", "- one\n- two\n- three"),
    ("1. One.\n2. Two.", "3. Three.", "1. One.\n2. Two.\n3. Three."),
    ("1. One.\n2.", "Two.", "1. One.\n2. Two."),
    ("The end.", "## Next\n\nText", "The end.\n\n## Next\n\nText"),
    ("| a | b |\n|---|---|\n| 1 | 2 |", "| 3 | 4 |", "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"),
    ("| a | b |\n|---|---|\n| 1 | 2 |\n", "| a | b |\n|---|---|\n| 3", "| a | b |\n|---|---|\n| 1 | 2 |\n| 3"),
]  # fmt: skip

JOIN: Final = with_page_modules("""async (pairs) => {
    const { Continuation } = await pageModule("chat/continuation.js");
    const join = (before, parts) => {
        const continuation = new Continuation(before);
        return before + parts.map((part) => continuation.push(part, false)).join("") + continuation.push("", true);
    };
    return pairs.map(([before, rest]) => [join(before, [rest]), join(before, [...rest])]);
}""")


def test_the_rest_of_an_answer_is_joined_as_a_person_would(browser_page: Page, model: ScriptedModel) -> None:
    chat = ChatPage(browser_page).open()
    found = browser_page.evaluate(JOIN, [[before, rest] for before, rest, _ in JOINED])
    wrong = [
        f"{before!r} + {rest!r} = {how!r}"
        for (before, rest, whole), hows in zip(JOINED, found, strict=True)
        for how in hows
        if how != whole
    ]
    print(json.dumps(wrong, indent=1, ensure_ascii=False))
    assert wrong == []

    open_conversation(chat, ["The powers they wield"], state="stopped")
    gate = model.gate("before the end")
    model.enqueue((*said("The"), gate, *said(" next", " are"), *finished()))
    chat.answer.get_by_role("button", name="Continue").click()
    gate.open()
    chat.wait_complete()
    expect(chat.prose).to_have_text("The powers they wield The next are")
    model.enqueue(reply("Done."))
    assert chat.ask_and_wait("Thanks").text_content() == "Done."
