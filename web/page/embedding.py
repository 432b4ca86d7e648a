"""The page's parts for templates: `sluice_head()`, `sluice_chat()`, `sluice_signed_out()` and `sluice_forget()`.

Our own page names everything relative to itself, so that it works below any path, whether or not a proxy removes that
path. In another page's template, URLs are made by `url_for`, as that page's own are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, current_app, g, render_template, request, url_for
from markupsafe import Markup

from ... import __version__
from ..extension_state import ExtensionState
from ..security.sign_in import is_refused, storage_key
from .assets import Assets
from .bundle import module_files
from .libraries import EARLY_LIBRARIES, ICONS

#: The template of the page. An application that has one of this name extends its own layout with it.
PAGE_TEMPLATE: Final = "sluice/page.html"
PAGE_ENDPOINT: Final = "sluice.page.index"
TEMPLATES: Final = Path(__file__).parents[1] / "templates"
_HEAD_WRITTEN: Final = "sluice_head_written"


def has_own_template() -> bool:
    """Return whether the page's template is ours, and not one of the application's. In an application context."""
    template = current_app.jinja_env.get_template(PAGE_TEMPLATE)
    return template.filename is not None and Path(template.filename) == TEMPLATES / PAGE_TEMPLATE


def host_language() -> str:
    """Return the language that Flask-Babel has chosen for the request; empty where the application has no Babel."""
    babel = sys.modules.get("flask_babel") if "babel" in current_app.extensions else None
    locale = babel.get_locale() if babel else None
    return "" if locale is None else str(locale).replace("_", "-")


class PageParts:
    """Renders the parts of the page for one application.

    Args:
        state: What is kept for the application.
        assets: The page's files.
    """

    def __init__(self, state: ExtensionState, assets: Assets) -> None:
        self._state = state
        self._folder = assets.folder
        self._modules = module_files(assets)
        self._preloads = [*self._modules.first, *(name for name in EARLY_LIBRARIES if name in assets)]
        self._icons = Markup(assets[ICONS].body.decode() if ICONS in assets else "")  # noqa: S704 - our own file

    def variables(self, name: str = "Sluice") -> dict[str, Any]:
        """Return the variables of our templates, for the current request.

        Args:
            name: What the page calls the assistant.
        """
        is_page = request.endpoint == PAGE_ENDPOINT
        is_alone = is_page and has_own_template()
        base = "" if is_alone else url_for(PAGE_ENDPOINT)
        return {
            "base": base,
            "static": base + self._folder,
            "modules": f"{base}{self._folder}/{self._modules.folder}",
            "preloads": self._preloads,
            "icons": self._icons,
            "demo": self._state.service.settings.provider.is_demo,
            "version": __version__,
            "user": storage_key(),
            "is_synced": bool(self._state.hooks.conversations and storage_key()),
            "language": host_language(),
            "name": name,
            "is_page": is_page,
            "is_alone": is_alone,
        }

    def head(self) -> Markup:
        """Return the style sheets and scripts, for the `head` of a page. A template function.

        Where a layout does not call it, `chat` writes them before the chat.
        """
        setattr(g, _HEAD_WRITTEN, True)
        if self._is_for_visitor():
            return Markup()
        return Markup(render_template("sluice/head.html", **self.variables()))  # noqa: S704 - our own template

    def chat(self, name: str = "Sluice") -> Markup:
        """Return the chat, once in a page; or a link to the sign-in for a visitor whom `authorize` refuses.

        A template function.

        Args:
            name: What the page calls the assistant.
        """
        if self._is_for_visitor():
            # Not `best_match`, which prefers `en` to a `zh-CN` of higher quality.
            languages = [host_language(), *request.accept_languages.values()]
            language = next((each for each in languages if each.lower().startswith(("zh", "en"))), "en")
            variables = {"url": url_for(PAGE_ENDPOINT), "is_chinese": language.lower().startswith("zh")}
            return Markup(render_template("sluice/sign_in.html", **variables))  # noqa: S704 - our own template
        head = Markup() if g.get(_HEAD_WRITTEN) else self.head()
        return head + Markup(render_template("sluice/chat.html", **self.variables(name)))  # noqa: S704

    def _is_for_visitor(self) -> bool:
        """Return whether the page is one of the application's, for a visitor who may not chat."""
        return request.endpoint != PAGE_ENDPOINT and is_refused(self._state.hooks.authorize)

    def signed_out(self) -> Markup:
        """Return a script that has open pages of the chat hide what they show, for the page that follows a sign-out.

        They ask the server who is signed in. `sluice_forget` does the same. A template function.
        """
        return Markup(render_template("sluice/signed_out.html", **self.variables()))  # noqa: S704 - our own template

    def forget(self, user: str | int | None = None) -> Markup:
        """Return a script that deletes conversations in the browser, for the page that follows a sign-out.

        It deletes what Sluice stored for users, and nothing of the application. A template function.

        Args:
            user: The user's key, as `authorize` returns it; None for all users of the browser.
        """
        variables = {**self.variables(), "forgotten": "" if user is None else storage_key(str(user))}
        return Markup(render_template("sluice/forget.html", **variables))  # noqa: S704 - our own template

    def register(self, blueprint: Blueprint) -> None:
        """Make the functions known to all templates of the application.

        As a context processor: `app.jinja_env` would be made before the application has set its options.
        """
        functions = {
            "sluice_head": self.head,
            "sluice_chat": self.chat,
            "sluice_signed_out": self.signed_out,
            "sluice_forget": self.forget,
        }
        blueprint.app_context_processor(lambda: functions)
