"""A whole conversation as a screen reader reads it: Chromium's accessibility tree, from its beginning to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage
from tools.common.chromium import WAIT_MS
from tools.common.scripted_model import ScriptedModel, finished, said, usage_of

ANSWER: Final = """A **bold** [link](https://example.org/), 中文.

## A heading

| Left | Right |
|------|------:|
| one | 1 |

- [x] done
- [ ] to do

> A quotation.

```python
print(1)
```

```
$ ls
```

$$x^2$$
"""

# Boxes without a meaning, and parts of a text that is read as a whole.
UNREAD: Final = {"none", "generic", "InlineTextBox", "LineBreak", "paragraph", "rowgroup", "LabelText"}
# What is read as one thing, by its name.
WHOLE: Final = {
    "button",
    "link",
    "heading",
    "cell",
    "columnheader",
    "DisclosureTriangle",
    "checkbox",
    "searchbox",
    "textbox",
}
STATES: Final = ("level", "expanded", "pressed", "checked", "hasPopup", "disabled", "live")

READ: Final = """\
link Skip to the message box
banner
button Close the sidebar, expanded
text Sluice
button Settings, hasPopup dialog
complementary Conversations
button New conversation
text Search conversations
searchbox Search conversations
navigation Conversations
heading Today, level 2
list
listitem, level 1
link Show me everything
button Actions for “Show me everything”, hasPopup menu
main
heading Show me everything, level 1
log Conversation
article You
text Show me everything
button Copy question
button Edit question
article Answer
text A
strong
text bold
link link
text , 中文.
heading A heading, level 2
group Table
table
row
columnheader Left
columnheader Right
row
cell one
cell 1
list
listitem, level 1
checkbox Done, checked, disabled
text done
listitem, level 1
checkbox Not done, disabled
text to do
blockquote
text A quotation.
figure
Figcaption
text Python
button Wrap lines
button Copy
group Code 1 of 2: Python
code
text print(1)
figure
Figcaption
text Code
button Wrap lines
button Copy
group Code 2 of 2
code
text $ ls
MathMLMath
text 𝑥2
button Copy answer
button Details
button Regenerate
button More actions, hasPopup menu
contentinfo
form
text Your message
textbox Your message
text scripted
button Add files
button Send, disabled
text Enter to send, Shift+Enter for a new line
button Keyboard shortcuts, hasPopup dialog
text Sluice 0.1.0
status, live polite
text Answer complete"""


def test_a_conversation_is_read_in_order_with_names_roles_and_states(
    browser_page: Page, model: ScriptedModel
) -> None:
    chat = ChatPage(browser_page).open()
    model.enqueue((*said(ANSWER), *finished(usage=usage_of(9, 42))))
    prose = chat.ask_and_wait("Show me everything")
    expect(prose.locator(".katex")).to_be_visible()
    # Chromium updates the tree some frames after the page.
    deadline = time.monotonic() + WAIT_MS / 1000
    while (lines := read(browser_page)) != READ.splitlines() and time.monotonic() < deadline:
        pass
    assert lines == READ.splitlines()
    browser_page.get_by_role("button", name="Settings").click()
    browser_page.get_by_label("中文").check()
    assert prose.locator("pre").evaluate_all("all => all.map((each) => each.ariaLabel)") == [
        "代码 1/2：Python",
        "代码 2/2",
    ]
    assert prose.locator(".table").get_attribute("aria-label") == "表格"


def read(page: Page) -> list[str]:
    """Return one line for each thing that is read, and for each text between them."""
    devtools = page.context.new_cdp_session(page)
    nodes = devtools.send("Accessibility.getFullAXTree")["nodes"]
    devtools.detach()
    by_id = {node["nodeId"]: node for node in nodes}
    lines: list[str] = []
    texts: list[str] = []

    def end_text() -> None:
        if text := "".join(texts).strip():
            lines.append(f"text {text}")
        texts.clear()

    for node, is_block in walk(nodes[0], by_id):
        role, name = value(node, "role"), value(node, "name")
        if role == "StaticText":
            texts.append(name)
            continue
        if is_block:
            end_text()
        if not is_read(node) or role == "RootWebArea":
            continue
        states = {each["name"]: each["value"].get("value") for each in node.get("properties", [])}
        shown = [
            state if states[state] is True or states[state] == "true" else f"{state} {states[state]}"
            for state in STATES
            if states.get(state) not in (None, False, "false")
        ]
        lines.append(", ".join([f"{role} {name}".strip(), *shown]))
    end_text()
    return lines


def walk(node: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield the nodes in order, and whether a node ends the text before it."""
    yield node, is_read(node) or value(node, "role") in ("paragraph", "LabelText")
    if is_read(node) and value(node, "role") in WHOLE:
        return
    for child in node.get("childIds", []):
        yield from walk(by_id[child], by_id)


def is_read(node: dict[str, Any]) -> bool:
    """Whether a node is announced. Of a formula, that it is one; its signs are its text."""
    role = value(node, "role")
    is_sign = role.startswith("MathML") and role != "MathMLMath"
    return not node.get("ignored") and role not in UNREAD and not is_sign


def value(node: dict[str, Any], name: str) -> str:
    return str(node.get(name, {}).get("value", ""))
