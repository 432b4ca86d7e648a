"""Files that are dropped on the page or pasted into the message box."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Page, expect

from tools.common.chat_page import ChatPage

from .test_tools import use_language

# Dispatches a drag over an element, then the drop. Returns whether the page has prevented what the browser would do:
# to open the file in the place of the page.
DROP: Final = """([selector, files, link]) => {
    const dataTransfer = new DataTransfer();
    for (const [name, type, bytes] of files) {
        dataTransfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
    }
    if (link) dataTransfer.setData("text/uri-list", link);
    if (link) dataTransfer.setData("text/plain", link);
    const options = { dataTransfer, bubbles: true, cancelable: true };
    const target = document.querySelector(selector);
    return ["dragover", "drop"].map((type) => !target.dispatchEvent(new DragEvent(type, options)));
}"""
# Drags a file or a text over an element, until `clearInterval(window.drag)`.
DRAG: Final = """([selector, isFile]) => {
    const dataTransfer = new DataTransfer();
    if (isFile) dataTransfer.items.add(new File(["a"], "a.txt"));
    else dataTransfer.setData("text/plain", "a");
    const options = { dataTransfer, bubbles: true, cancelable: true };
    const target = document.querySelector(selector);
    window.drag = setInterval(() => target.dispatchEvent(new DragEvent("dragover", options)), 100);
}"""
PASTE: Final = """([text]) => {
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([new Uint8Array([137, 80, 78, 71, 0])], "image.png", { type: "image/png" }));
    if (text) clipboardData.setData("text/plain", text);
    const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
    return !document.querySelector("#sluice-message").dispatchEvent(event);
}"""
PNG: Final = ["shot.png", "image/png", [137, 80, 78, 71, 0, 1]]
SCRIPT: Final = ["sum.py", "text/x-python", list(b"print('''\r\n```\r\n''')\r\n")]
NOTES: Final = ["notes", "", list("Grüße".encode())]


def test_text_files_become_text_in_the_message_box_and_others_one_sentence(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    notice = chat.page.get_by_role("alert").filter(has_text="Only text files")
    chat.field.press_sequentially("See")
    assert browser_page.evaluate(DROP, ["#sluice-bar", [SCRIPT, NOTES], ""]) == [True, True]
    added = "See\n\n`sum.py`\n\n````py\nprint('''\n```\n''')\n````\n\n`notes`\n\n```\nGrüße\n```\n"
    expect(chat.field).to_have_value(added)
    expect(chat.status).to_have_text("Files added: sum.py, notes")
    expect(notice).to_have_count(0)
    # while files are dragged over the page, a sign covers the message box, and takes nothing
    sign = chat.page.get_by_text("Drop files here")
    expect(sign).to_have_count(0)
    browser_page.evaluate(DRAG, ["#sluice-bar", True])
    expect(sign).to_have_css("position", "absolute")
    expect(sign).to_have_css("pointer-events", "none")
    browser_page.evaluate("clearInterval(window.drag)")  # they have left the page
    expect(sign).to_have_count(0)
    browser_page.evaluate(DRAG, ["#sluice-message", False])
    browser_page.evaluate("clearInterval(window.drag)")
    expect(sign).to_have_count(0)
    chat.field.press("Control+z")
    expect(chat.field).to_have_value("See")
    # a list of names is written as each language writes one
    use_language(chat, "zh-CN")
    assert browser_page.evaluate(DROP, ["#sluice-bar", [SCRIPT, NOTES], ""]) == [True, True]
    expect(chat.status).to_have_text("已添加文件：sum.py、notes")
    use_language(chat, "en")
    chat.field.press("Control+z")
    expect(chat.field).to_have_value("See")
    for kind, target in (
        (PNG, "body"),
        (["a.bin", "", [1, 0, 2]], "#sluice-message"),
        (PNG, "#sluice-log"),
        # letters only, but nobody reads their source
        (["a.pdf", "application/pdf", list(b"%PDF-1.4\n1 0 obj\n")], "body"),
        (["a.rtf", "", list(rb"{\rtf1\ansi Hello}")], "body"),
    ):
        assert browser_page.evaluate(DROP, [target, [kind], ""]) == [True, True]
        expect(notice).to_be_visible()
        notice.locator("xpath=..").get_by_role("button", name="Dismiss").click()
        expect(notice).to_have_count(0)
    expect(chat.field).to_have_value("See")
    # the caret behind a file is in view: there the question goes
    lines = ["lines.txt", "text/plain", list(b"a line\n" * 60)]
    assert browser_page.evaluate(DROP, ["body", [lines], ""]) == [True, True]
    expect(chat.status).to_have_text("Files added: lines.txt")
    assert chat.field.evaluate(
        "each => each.scrollTop > 0 && each.scrollTop + each.clientHeight > each.scrollHeight - 2"
    )
    chat.field.press("Control+z")
    expect(chat.field).to_have_value("See")
    long = ["long.txt", "text/plain", [97] * 400_001]
    browser_page.evaluate(DROP, ["body", [long], ""])
    expect(chat.page.get_by_role("alert").filter(has_text="too long for a message")).to_be_visible()
    # a link would also be opened in the place of the page; in the field, the browser inserts it
    link = "https://example.org/a"
    assert browser_page.evaluate(DROP, ["#sluice-log", [], link]) == [True, True]
    expect(chat.field).to_have_value(f"See\n\n{link}\n")
    assert browser_page.evaluate(DROP, ["#sluice-message", [], link]) == [False, False]
    # pasted; the sentence goes with the next letter, question or conversation, and is no emergency
    for go_on in (
        lambda: chat.field.press("a"),
        lambda: chat.page.get_by_role("button", name="New conversation").click(),
        lambda: chat.ask("Well?"),
    ):
        assert browser_page.evaluate(PASTE, [""])
        expect(notice).to_be_visible()
        expect(chat.page.locator(".urgent")).to_have_count(0)
        go_on()
        expect(notice).to_have_count(0)
    chat.wait_complete()
    assert not browser_page.evaluate(PASTE, ["a cell"])
