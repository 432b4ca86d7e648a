"""Take the pictures in docs/screenshots anew: `python -m tools.screenshots`.

Real server, real Chromium, the scripted model, and always the same day: what changes in a picture is the page.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Page, expect

from tests.browser.chat_page import ChatPage
from tests.browser.chromium import chromium
from tests.gunicorn_server import GunicornServer
from tests.scripted_model import ScriptedModel, reply

from .answers import CHINESE, CODE, EARLIER, EARLIER_CHINESE, POEM, SHORT_ANSWER, WATER, WINTER

DIRECTORY: Final = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
NOW: Final = datetime.datetime(2026, 11, 24, 10, 30, tzinfo=datetime.UTC)
MODEL: Final = "house-model"
# A scroll is painted with the frame after the one in which the page has heard of it.
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
class Picture:
    """What to show, and to whom.

    Attributes:
        name: The file's, without its ending.
        earlier: Questions of conversations before this one, the oldest first.
        exchanges: Questions and answers of the conversation that is shown.
        then: What the reader does at last.
        top: The number of the question that stands at the top of the window.
        phone: It is held in the hand, touched, and has two pixels for each.
    """

    name: str
    earlier: tuple[str, ...] = ()
    exchanges: tuple[tuple[str, str], ...] = ()
    then: Callable[[Page], None] | None = None
    top: int | None = None
    locale: str = "en-GB"
    scheme: Literal["light", "dark"] = "light"
    width: int = 1280
    height: int = 860
    phone: bool = False


def open_settings(page: Page) -> None:
    """Open the dialog of settings."""
    page.locator("#open-settings").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def open_shortcuts(page: Page) -> None:
    """Open the list of shortcuts, by its own."""
    page.keyboard.press("Control+/")
    expect(page.get_by_role("dialog")).to_be_visible()


PICTURES: Final = (
    Picture("empty"),
    Picture("conversation", EARLIER, (WATER, WINTER), top=0, height=1000),
    Picture("code", EARLIER, (CODE,), top=0, height=1000),
    Picture("dark", EARLIER, (POEM,), top=0, scheme="dark", height=1000),
    Picture("chinese", EARLIER_CHINESE, (CHINESE,), top=0, locale="zh-CN", height=960),
    Picture("settings", EARLIER, (WATER,), open_settings),
    Picture("shortcuts", EARLIER, (WATER,), open_shortcuts),
    Picture("mobile", exchanges=(WATER,), top=0, width=390, height=844, phone=True),
    Picture("mobile-empty", width=390, height=844, phone=True, scheme="dark"),
)


def main() -> None:
    """Take every picture, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(picture.name for picture in PICTURES))
    names = parser.parse_args().names or [picture.name for picture in PICTURES]
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=WAIT_MS)
    with ScriptedModel() as model:
        env = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": model.base_url}
        env |= {"OPENAI_MODEL": MODEL, "OPENAI_MODELS": f"{MODEL}-mini"}
        with GunicornServer(env) as server, chromium() as browser:
            for picture in PICTURES:
                if picture.name in names:
                    path = take(browser, server.url, model, picture)
                    print(f"{path.relative_to(DIRECTORY.parent.parent)}  {path.stat().st_size // 1024} KB")


def take(browser: Browser, url: str, model: ScriptedModel, picture: Picture) -> Path:
    """Take one picture and return where it is."""
    context = browser.new_context(
        base_url=url,
        locale=picture.locale,
        timezone_id="UTC",
        color_scheme=picture.scheme,
        viewport={"width": picture.width, "height": picture.height},
        device_scale_factor=2 if picture.phone else 1,
        has_touch=picture.phone,
        is_mobile=picture.phone,
        reduced_motion="reduce",
    )
    with context:
        page = context.new_page()
        page.clock.set_system_time(NOW)
        chat = ChatPage(page).open()
        for question in picture.earlier:
            model.enqueue(reply(SHORT_ANSWER))
            chat.ask_and_wait(question)
            page.locator("#new-conversation").click()
        for question, answer in picture.exchanges:
            model.enqueue(reply(answer))
            chat.ask_and_wait(question)
        # Formulas and colours come when they are first needed.
        expect(page.locator(".prose:empty, .formula:not(:has(.katex))")).to_have_count(0)
        expect(page.locator("pre > code:not(:has(span[class^=hljs]))")).to_have_count(0)
        if picture.top is not None:
            chat.questions.nth(picture.top).evaluate(SCROLL)
        if picture.then is not None:
            picture.then(page)
        page.evaluate("() => document.fonts.ready.then(() => null)")
        path = DIRECTORY / f"{picture.name}.png"
        page.screenshot(path=path)
    return path


if __name__ == "__main__":
    main()
