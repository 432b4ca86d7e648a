"""Files that are dropped on the page or pasted into the message box."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Page, expect

from tools.common.chat_page import DONE_FRAME, ChatPage, frames, text_frame

from .images import attached, choose, open_with_images, picture

# Dispatches a drag over an element, then the drop. Returns whether the page has prevented what the browser would do:
# to open the file in the place of the page. A file is its name, its type, and a text or bytes. A long text reaches
# the browser in a hundredth of the time of as many bytes.
DROP: Final = """([selector, files, link]) => {
    const dataTransfer = new DataTransfer();
    for (const [name, type, bytes] of files) {
        const content = typeof bytes === "string" ? bytes : Uint8Array.from(bytes);
        dataTransfer.items.add(new File([content], name, { type }));
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
# Holds the next file that is read until `goOn` is called.
HOLD_READING: Final = """() => {
    const { arrayBuffer } = Blob.prototype;
    delete window.goOn;
    Blob.prototype.arrayBuffer = async function () {
        Blob.prototype.arrayBuffer = arrayBuffer;
        await new Promise((resolve) => (window.goOn = resolve));
        return arrayBuffer.call(this);
    };
}"""
PNG: Final = ["shot.png", "image/png", [137, 80, 78, 71, 0, 1]]
SCRIPT: Final = ["sum.py", "text/x-python", list(b"print('''\r\n```\r\n''')\r\n")]
NOTES: Final = ["notes", "", list("Grüße".encode())]


WESTERN: Final = ["name.csv", "text/csv", list("name;city\nRené;Genève\nJosé;München € 5\n".encode("cp1252"))]
CYRILLIC: Final = ["привет.txt", "text/plain", list("Пр и в е т, м и р\n".encode("cp1251"))]
CHINESE: Final = ["gbk.csv", "text/csv", list("姓名,数值\n张三,1\n".encode("gbk"))]
NOT_UTF8: Final = "This text is not in UTF-8. Save it as UTF-8, then add it again."


def test_text_files_become_text_in_the_message_box_and_others_a_sentence(browser_page: Page) -> None:
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
    chat.change_language("zh-CN")
    assert browser_page.evaluate(DROP, ["#sluice-bar", [SCRIPT, NOTES], ""]) == [True, True]
    expect(chat.status).to_have_text("已添加文件：sum.py、notes")
    chat.change_language("en")
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
    long = ["long.txt", "text/plain", "a" * 400_001]
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


def test_a_link_or_picture_of_the_page_that_a_slip_of_the_pointer_drags_changes_nothing(
    browser_page: Page,
) -> None:
    chat = open_with_images(browser_page)
    linked = frames(text_frame("See [this page](https://example.org/a)."), DONE_FRAME)
    chat.reply_once(content_type="text/event-stream", body=linked)
    choose(chat, picture(chat, "one.png", width=400, height=300))
    expect(attached(chat)).to_have_count(1)
    chat.ask_and_wait("What is it?")
    chat.field.fill("My draft")
    image = chat.questions.get_by_role("img", name="one.png")
    for slipping in (browser_page.locator(".conversation a"), chat.prose.locator("a"), image):
        for steps in (6, 200):
            browser_page.evaluate(
                "() => { window.dropped = new Promise((resolve) => (window.ondragend = resolve)); }"
            )
            slipping.scroll_into_view_if_needed()
            box = slipping.bounding_box()
            assert box
            browser_page.mouse.move(box["x"] + 5, box["y"] + 5)
            browser_page.mouse.down()
            browser_page.mouse.move(box["x"] + 5 + steps, box["y"] + 5, steps=4)
            browser_page.mouse.up()
            browser_page.evaluate("() => window.dropped.then(() => {})")
            expect(chat.field).to_have_value("My draft")
    # one from elsewhere is taken
    assert browser_page.evaluate(DROP, ["#sluice-log", [], "https://example.org/b"]) == [True, True]
    expect(chat.field).to_have_value("My draft\n\nhttps://example.org/b\n")


def test_a_sentence_says_that_an_edited_question_takes_no_files(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    chat.ask_and_wait("First")
    browser_page.locator(".exchange .edit").click()
    paste = PASTE.replace("#sluice-message", ".question-editor textarea")
    assert not browser_page.evaluate(paste, ["a cell"])
    notice = browser_page.get_by_role("alert").filter(has_text="Add them to a new message.")
    expect(notice).to_have_count(0)
    assert browser_page.evaluate(paste, [""])
    expect(notice).to_be_visible()
    expect(browser_page.locator(".urgent")).to_have_count(0)
    expect(browser_page.locator(".question-editor textarea")).to_be_focused()
    chat.field.press("a")
    expect(notice).to_have_count(0)


def test_each_file_that_is_refused_is_named_with_its_own_cause(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    notice = chat.page.get_by_role("alert")
    long = ["long.txt", "text/plain", "a" * 400_001]
    large = ["large.zip", "application/zip", "PK\3\4" + "\0" * 400_001]
    binary = ["data.bin", "", [1, 0, 2]]
    assert browser_page.evaluate(DROP, ["body", [long, large, binary, NOTES], ""]) == [True, True]
    expect(chat.field).to_have_value("`notes`\n\n```\nGrüße\n```\n")
    only_text = "Only text files can be put into a message. Images and other files cannot be sent."
    too_long = "This file is too long for a message. Paste the part that your question is about."
    lines = [
        "These files were not added:",
        f"long.txt: {too_long}",
        f"large.zip: {only_text}",
        f"data.bin: {only_text}",
    ]
    expect(notice).to_have_text("\n".join(lines), use_inner_text=True)
    # one alone, by both ends of its name
    name = f"{'report ' * 20}of 2026.bin"
    browser_page.evaluate(DROP, ["body", [[name, "", [0]]], ""])
    expect(notice).to_have_text(f"{name[:30]}…{name[-30:]}: {only_text}")
    # a name is no markup; of many files, the first ones are named
    bad = [[f"<b>{number}</b>.bin", "", [0]] for number in range(8)]
    browser_page.evaluate(DROP, ["body", bad[:4], ""])
    expect(notice).to_contain_text("and 1 further file")
    browser_page.evaluate(DROP, ["body", bad, ""])
    expect(notice).to_contain_text("<b>2</b>.bin: Only text")
    expect(notice).not_to_contain_text("<b>3</b>")
    expect(notice).to_contain_text("and 5 further files")
    chat.change_language("zh-CN")
    expect(notice).to_contain_text("以下文件没有添加：<b>0</b>.bin：只能把文本文件放进消息")
    expect(notice).to_contain_text("以及另外 5 个文件")


def test_a_text_in_another_encoding_is_read_where_that_is_certain_and_else_named_as_such(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    notice = chat.page.get_by_role("alert")
    for file in (WESTERN, CYRILLIC, CHINESE):
        browser_page.evaluate(DROP, ["body", [file], ""])
        expect(notice).to_have_text(f"{file[0]}: {NOT_UTF8}")
    # letters of a document are no text, whatever their encoding
    browser_page.evaluate(DROP, ["body", [["a.pdf", "", list(b"%PDF-1.4\n\xe2\xe3\xcf\xd3\n")]], ""])
    expect(notice).to_contain_text("a.pdf: Only text files")
    browser_page.evaluate(DROP, ["body", [["a.dat", "", [233, 1, 2]]], ""])
    expect(notice).to_contain_text("a.dat: Only text files")
    expect(chat.field).to_have_value("")
    chat.change_language("zh-CN")
    # GB 18030 would read two of its letters as one Chinese character
    western = ["München.txt", "text/plain", list("München, Zürich\n".encode("cp1252"))]
    browser_page.evaluate(DROP, ["body", [western], ""])
    expect(notice).to_have_text("München.txt：文本的编码不是 UTF-8。请另存为 UTF-8，然后重新添加。")
    expect(chat.field).to_have_value("")
    # rare characters: two bytes beyond GB 2312, and four bytes
    rare = ["名.txt", "text/plain", list("朱镕基，㐀，张三".encode("gb18030"))]
    browser_page.evaluate(DROP, ["body", [CHINESE, rare], ""])
    expected = "`gbk.csv`\n\n```csv\n姓名,数值\n张三,1\n```\n\n`名.txt`\n\n```txt\n朱镕基，㐀，张三\n```\n"
    expect(chat.field).to_have_value(expected)
    expect(notice).to_have_count(0)


def test_a_file_goes_to_the_conversation_on_which_it_was_dropped(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    chat.ask_and_wait("First")
    chat.wait_saved()
    new = browser_page.get_by_role("button", name="New conversation").first
    text = "`notes`\n\n```\nGrüße\n```"

    def drop() -> None:
        browser_page.evaluate(HOLD_READING)
        browser_page.evaluate(DROP, ["#sluice-bar", [NOTES], ""])
        browser_page.wait_for_function("() => window.goOn")
        browser_page.evaluate("() => { document.querySelector('[role=status]').textContent = ''; }")

    def go_on() -> None:
        browser_page.evaluate("() => window.goOn()")
        expect(chat.status).to_have_text("Files added: notes")

    chat.field.fill("See")
    drop()
    new.click()
    chat.field.fill("Another")
    go_on()
    expect(chat.field).to_have_value("Another")
    # all new conversations share one message
    drop()
    browser_page.locator(".conversation a").click()
    expect(chat.field).to_have_value(f"See\n\n{text}")
    new.click()
    go_on()
    expect(chat.field).to_have_value(f"Another\n\n{text}\n")
    # it follows a message that moves to another conversation
    browser_page.locator(".conversation a").click()
    chat.field.fill("See")
    other = ChatPage(browser_page.context.new_page())
    other.page.goto(browser_page.url)
    drop()
    other.page.locator(".conversation a").press("Delete")
    expect(chat.questions).to_have_count(0)
    go_on()
    expect(chat.field).to_have_value(f"Another\n\n{text}\n\n\nSee\n\n{text}\n")


WIDE: Final = (
    "Name,City\nRené,Genève\n",
    "Здравствуйте, Мария!\r\nВстреча перенесена на среду.\r\n",
    "姓名，数值\n张三，1\n李四，一\n",
    "Ελλάδα και Κύπρος\n",
    "😀 and 👍\n",
)


def encoded(name: str, text: str, encoding: str) -> list[object]:
    """Return a file with a text in an encoding."""
    return [name, "text/plain", list(text.encode(encoding))]


def test_utf_16_is_read_without_its_mark_too(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    notice = chat.page.get_by_role("alert")
    for text in WIDE:
        for encoding in ("utf-16-le", "utf-16-be", "utf-16"):
            browser_page.evaluate(DROP, ["body", [encoded("a.txt", text, encoding)], ""])
            shown = text.replace("\r\n", "\n").rstrip("\n")
            expect(chat.field).to_have_value(f"`a.txt`\n\n```txt\n{shown}\n```\n")
            expect(notice).to_have_count(0)
            chat.field.fill("")
    # numbers of two bytes each, a text of four bytes a letter, and one that is cut in a letter
    only_text = "Only text files can be put into a message. Images and other files cannot be sent."
    numbers = b"".join(number.to_bytes(2, "little") for number in range(1, 200))
    for data, sentence in (
        (numbers, only_text),
        (b"P\0A\0C\0K\0\x05\0", only_text),
        ("Name".encode("utf-32-le"), only_text),
        ("Name".encode("utf-32"), NOT_UTF8),
        (b"\xff\xfeA\0B", NOT_UTF8),
        ("こんにちは".encode("iso2022_jp"), NOT_UTF8),
    ):
        browser_page.evaluate(DROP, ["body", [["a.txt", "text/plain", list(data)]], ""])
        expect(notice).to_have_text(f"a.txt: {sentence}")
        browser_page.evaluate("() => document.querySelector('.dismiss').click()")
        expect(notice).to_have_count(0)
    expect(chat.field).to_have_value("")


def test_on_the_chinese_page_no_other_encoding_is_taken_for_chinese(browser_page: Page) -> None:
    chat = ChatPage(browser_page).open()
    chat.change_language("zh-CN")
    notice = chat.page.get_by_role("alert")
    # an even number of letters before each sign: then GB 18030 has a character for each two of them
    for text, encoding in (
        ("Москва\nРоссия\n", "cp1251"),
        ("МОСКВА\nРОССИЯ\nДЕЛО\n", "cp1251"),
        ("Россия, «Москва»: работа", "cp1251"),
        ("Москва\nРоссия\nдень\n", "koi8-r"),
        ("Москва\nРоссия\nдень\n", "iso8859-5"),
        ("中文測試\n姓名\n地址 電話 號碼\n", "big5"),
        ("안녕하세요\n이름\n주소 전화\n", "euc-kr"),
        ("東京 大阪 名前 住所\n", "euc-jp"),
        ("東京 大阪 名前 住所\n", "shift_jis"),
        # a word or two
        ("ДА", "cp1251"),
        ("ДА", "iso8859-5"),
        ("Żółć", "iso8859-2"),
        ("안녕 일 나", "euc-kr"),
        ("你好", "big5"),
        ("東京", "shift_jis"),
        ("東京", "euc-jp"),
        ("Größe: 20 °C", "cp1252"),
    ):
        browser_page.evaluate(DROP, ["body", [encoded(f"{encoding}.txt", text, encoding)], ""])
        expect(notice).to_have_text(f"{encoding}.txt：文本的编码不是 UTF-8。请另存为 UTF-8，然后重新添加。")
    expect(chat.field).to_have_value("")
    chinese = "日期,产品,数量,金额\n2026年3月,苹果,12,240元\n2026年4月,香蕉,3,15元\n合计：共计255元（含税）。"
    browser_page.evaluate(DROP, ["body", [encoded("表.csv", chinese, "gbk")], ""])
    expect(chat.field).to_have_value(f"`表.csv`\n\n```csv\n{chinese}\n```\n")
    expect(notice).to_have_count(0)
    for text in ("你好", "谢谢你！", "支持 UTF-8"):
        chat.field.fill("")
        browser_page.evaluate(DROP, ["body", [encoded("a.txt", text, "gbk")], ""])
        expect(chat.field).to_have_value(f"`a.txt`\n\n```txt\n{text}\n```\n")
