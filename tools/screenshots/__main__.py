"""Take the screenshots in docs/screenshots again: `python -m tools.screenshots`.

The answers and the date are fixed, so a screenshot changes only if the page does.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Page, expect

from tools.common.chat_page import ChatPage
from tools.common.chromium import chromium, open_context
from tools.common.gunicorn_server import GunicornServer
from tools.common.scripted_model import ScriptedModel, reply

from .answers import CHINESE, CODE, EARLIER, EARLIER_CHINESE, POEM, SHORT_ANSWER, WATER, WINTER

DIRECTORY: Final = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
NOW: Final = datetime.datetime(2026, 11, 24, 10, 30, tzinfo=datetime.UTC)
MODEL: Final = "example-model"
# Waits for the frame after the scroll event, which paints the new position.
SCROLL: Final = """async (element) => {
    const frame = () => new Promise(requestAnimationFrame);
    let before = NaN;
    while (scrollY !== before) {
        before = scrollY;
        element.scrollIntoView({ block: "start", behavior: "instant" });
        await frame();
        await frame();
    }
}"""
WAIT_MS: Final = 20_000  # for one step, on a busy machine


@dataclass(frozen=True)
class Screenshot:
    """One screenshot.

    Attributes:
        name: The file name, without its extension.
        earlier: The questions of earlier conversations, oldest first.
        exchanges: Questions and answers of the shown conversation.
        prepare: Called before the screenshot is taken.
        top: The index of the question at the top of the window.
        phone: Emulate a touch screen with a device pixel ratio of 2.
    """

    name: str
    earlier: tuple[str, ...] = ()
    exchanges: tuple[tuple[str, str], ...] = ()
    prepare: Callable[[Page], None] | None = None
    top: int | None = None
    locale: str = "en-GB"
    scheme: Literal["light", "dark"] = "light"
    width: int = 1280
    height: int = 860
    phone: bool = False


def open_settings(page: Page) -> None:
    """Open the settings dialog."""
    page.locator("#sluice-open-settings").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def open_shortcuts(page: Page) -> None:
    """Open the list of keyboard shortcuts by its shortcut."""
    page.keyboard.press("Alt+Shift+/")
    expect(page.get_by_role("dialog")).to_be_visible()


SCREENSHOTS: Final = (
    Screenshot("empty"),
    Screenshot("conversation", EARLIER, (WATER, WINTER), top=0, height=1000),
    Screenshot("code", EARLIER, (CODE,), top=0, height=1000),
    Screenshot("dark", EARLIER, (POEM,), top=0, scheme="dark", height=1000),
    Screenshot("chinese", EARLIER_CHINESE, (CHINESE,), top=0, locale="zh-CN", height=960),
    Screenshot("settings", EARLIER, (WATER,), open_settings),
    Screenshot("shortcuts", EARLIER, (WATER,), open_shortcuts),
    Screenshot("mobile", exchanges=(WATER,), top=0, width=390, height=844, phone=True),
    Screenshot("mobile-empty", width=390, height=844, phone=True, scheme="dark"),
)


def main() -> None:
    """Take the named screenshots, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=" ".join(screenshot.name for screenshot in SCREENSHOTS)
    )
    names = parser.parse_args().names or [screenshot.name for screenshot in SCREENSHOTS]
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=WAIT_MS)
    with ScriptedModel() as model:
        env = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": model.base_url}
        env |= {"OPENAI_MODEL": MODEL, "OPENAI_MODELS": f"{MODEL}-mini"}
        with GunicornServer(env) as server, chromium() as browser:
            for screenshot in SCREENSHOTS:
                if screenshot.name in names:
                    path = take(browser, server.url, model, screenshot)
                    print(f"{path.relative_to(DIRECTORY.parent.parent)}  {path.stat().st_size // 1024} KB")


def take(browser: Browser, url: str, model: ScriptedModel, screenshot: Screenshot) -> Path:
    """Take one screenshot and return its path."""
    with open_context(
        browser,
        base_url=url,
        locale=screenshot.locale,
        timezone_id="UTC",
        color_scheme=screenshot.scheme,
        viewport={"width": screenshot.width, "height": screenshot.height},
        device_scale_factor=2 if screenshot.phone else 1,
        has_touch=screenshot.phone,
        is_mobile=screenshot.phone,
        reduced_motion="reduce",
    ) as context:
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.clock.set_system_time(NOW)
        chat = ChatPage(page).open()
        for question in screenshot.earlier:
            model.enqueue(reply(SHORT_ANSWER))
            chat.ask_and_wait(question)
            page.locator("#sluice-new-conversation").click()
        for question, answer in screenshot.exchanges:
            model.enqueue(reply(answer))
            chat.field.fill(question)
            chat.send_button.click()  # on a phone, Enter begins a line
            chat.wait_complete()
        # KaTeX and highlight.js load when they are first needed.
        expect(page.locator(".prose:empty, .formula:not(:has(.katex))")).to_have_count(0)
        expect(page.locator("pre > code:not(:has(span[class^=hljs]))")).to_have_count(0)
        if screenshot.top is not None:
            chat.questions.nth(screenshot.top).evaluate(SCROLL)
        if screenshot.prepare is not None:
            screenshot.prepare(page)
        page.evaluate("() => document.fonts.ready.then(() => null)")
        path = DIRECTORY / f"{screenshot.name}.png"
        page.screenshot(path=path)
    return path


if __name__ == "__main__":
    main()
