"""Take the pictures in docs/screenshots: `python -m tests.browser.screenshots --url http://127.0.0.1:8000`.

The server should answer with the built-in demo model, so that the pictures show what a first visitor sees.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from .chromium import chromium

DIRECTORY = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
ANSWER_MS = 60_000  # the longest that a demo answer may take


@dataclass(frozen=True)
class Picture:
    """What to show, and to whom."""

    name: str
    prompts: tuple[str, ...] = ()
    locale: str = "en-GB"
    scheme: str = "light"
    width: int = 1180
    height: int = 820
    top: str | None = None  # a selector whose element is scrolled to the top


PICTURES = (
    Picture("desktop-light-empty"),
    Picture(
        "desktop-light-conversation",
        ("Compare the ways to stream from Flask in a table, then show the code and the mathematics.",),
        height=1340,
        top=".question",
    ),
    Picture(
        "desktop-dark-conversation",
        (
            "Show me the code of a Flask view that streams.",
            "How many streams fit on one core? Show the mathematics.",
        ),
        scheme="dark",
        height=960,
    ),
    Picture("desktop-chinese", ("用中文介绍一下 Sluice。",), locale="zh-CN", height=1230, top=".question"),
    Picture("mobile-empty", width=390, height=780),
    Picture(
        "mobile-dark-conversation",
        ("Compare the ways to stream from Flask in a table.",),
        scheme="dark",
        width=390,
        height=780,
        top=".question",
    ),
)


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the page is served")
    url = parser.parse_args().url
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for picture in PICTURES:
            path = take(browser, url, picture)
            print(f"{path.relative_to(DIRECTORY.parent.parent)}  {path.stat().st_size // 1024} KB")


def take(browser: Browser, url: str, picture: Picture) -> Path:
    """Take one picture and return where it is."""
    context = browser.new_context(
        locale=picture.locale,
        color_scheme=picture.scheme,
        viewport={"width": picture.width, "height": picture.height},
        reduced_motion="reduce",
    )
    with context:
        page = context.new_page()
        page.goto(url)
        expect(page.locator(".notice")).to_be_visible()
        for number, prompt in enumerate(picture.prompts, start=1):
            ask(page, prompt, number)
        if picture.top:
            page.locator(picture.top).first.evaluate("element => element.scrollIntoView({block: 'start'})")
        page.evaluate("() => document.fonts.ready.then(() => null)")
        path = DIRECTORY / f"{picture.name}.png"
        page.screenshot(path=path)
    return path


def ask(page: Page, prompt: str, number: int) -> None:
    """Send a message and wait until its answer, the `number`th, is complete."""
    page.locator("#message").fill(prompt)
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_have_count(number)
    expect(page.locator(".answer .copy-answer")).to_have_count(number, timeout=ANSWER_MS)


if __name__ == "__main__":
    main()
