"""The page behind a proxy that strips a path prefix."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.deploy.below_a_path import PREFIX, nginx_below_a_path
from tools.common.chat_page import ChatPage
from tools.common.chromium import open_context
from tools.common.gunicorn_server import GunicornServer
from tools.common.scripted_model import ScriptedModel, reply

from .browser_errors import BrowserErrors
from .conftest import CONTEXT_OPTIONS


def test_the_page_works_below_a_path_prefix_that_nginx_strips(
    browser: Browser, page_server: GunicornServer, model: ScriptedModel, browser_errors: BrowserErrors
) -> None:
    with (
        nginx_below_a_path(page_server.port, takes_away=True) as front,
        open_context(browser, **CONTEXT_OPTIONS) as context,
    ):
        browser_errors.listen(context, f"{front.url}{PREFIX}")
        page, asked = context.new_page(), list[str]()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{front.url}{PREFIX}/")
        model.enqueue(reply("**bold** $x^2$\n\n```python\ndef f(): ...\n```"))
        prose = ChatPage(page).ask_and_wait("Show me")
        expect(prose.locator("strong")).to_have_text("bold")
        # Libraries, styles, fonts and a worker that are loaded later.
        expect(prose.locator(".katex")).to_be_visible()
        expect(prose.locator(".hljs-keyword")).to_have_text("def")
        assert any(".woff2" in url for url in asked)
        assert any(url.endswith("highlight_worker.js") for url in asked)
        page.reload()
        expect(prose.locator("strong")).to_have_text("bold")
        assert page.evaluate("location.pathname") == f"{PREFIX}/"
    assert browser_errors.unexpected == []
