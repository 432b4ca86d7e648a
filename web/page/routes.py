"""The chat page, and its configuration."""

from __future__ import annotations

from functools import cache

from flask import Blueprint, Response, render_template

from ... import __version__
from ..api.json_response import make_json_response
from ..extension_state import ExtensionState
from .assets import Asset, Assets
from .libraries import EARLY_LIBRARIES


def make_page_blueprint(sluice: ExtensionState, assets: Assets) -> Blueprint:
    """Make the routes `/` and `/api/config`."""
    blueprint = Blueprint("pages", __name__)
    settings = sluice.service.settings
    preloads = [*assets.modules("js/main.js"), *(name for name in EARLY_LIBRARIES if name in assets)]

    # All URLs in it are relative, so that it works below any path, whether or not a proxy removes that path.
    @cache
    def page() -> Asset:
        sluice.log_warnings()  # where no server has done so at its start
        variables = {
            "static": assets.folder,
            "preloads": preloads,
            "demo": settings.provider.is_demo,
            "version": __version__,
        }
        return Asset(render_template("index.html", **variables).encode(), "text/html; charset=utf-8")

    @blueprint.get("/")
    def index() -> Response:
        # Not cached, because it names the version of all other files.
        return page().response("no-cache")

    @blueprint.get("/api/config")
    def config() -> Response:
        response = make_json_response(
            {
                "interaction_mode": settings.chat.page_mode,
                "model": settings.provider.default_model,
                "models": settings.provider.allowed_models,
                "demo": settings.provider.is_demo,
                "max_message_chars": settings.limits.max_message_chars,
                "max_history": settings.limits.max_history,
                "starters": settings.page.starters,
                "version": __version__,
            }
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint
