"""The page's modules one by one. Those of the page itself are bundled."""

from __future__ import annotations

from playwright.sync_api import Page, Route

# The entries of the bundle, and the modules of which they are made.
_ENTRIES = {"main.js": "../js/main.js", "settings/appearance.js": "../../js/settings/appearance.js"}


def with_page_modules(script: str) -> str:
    """Return a function in JavaScript that knows `pageModule`, which imports a module by its path below `static/js`.

    Such a module is not the page's own: what it keeps is apart.

    Args:
        script: A function, such as `async () => (await pageModule("i18n/language.js")).texts`.
    """
    return f"""(...given) => {{
        const main = document.querySelector("script[src$='/main.js']").src;
        const pageModule = (path) => import(new URL(`../js/${{path}}`, main).href);
        return ({script.strip().removesuffix(";")})(...given);
    }}"""


def change_module(page: Page, name: str, old: str, new: str) -> None:
    """Have a page load its modules one by one, and one of them with another text. Call before it opens.

    Args:
        page: The page.
        name: The module, below `static/js`.
        old: What the module must contain.
        new: What it contains instead.
    """

    def change(route: Route) -> None:
        source = route.fetch().text()
        assert old in source
        answer(route, source.replace(old, new))

    def load_module(route: Route) -> None:
        answer(route, f'import "{_ENTRIES[route.request.url.partition("/bundle/")[2]]}";')

    def answer(route: Route, body: str) -> None:
        route.fulfill(body=body, content_type="text/javascript")

    for entry in _ENTRIES:
        page.route(f"**/bundle/{entry}", load_module)
    page.route(f"**/js/{name}", change)
