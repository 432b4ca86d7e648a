"""The chat page, and its configuration."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus

from flask import Blueprint, Response, redirect, render_template, request
from flask.sansio.blueprints import BlueprintSetupState

from ... import __version__
from ..api.json_response import make_json_response
from ..extension_state import ExtensionState
from ..routing import add_slash
from .assets import Asset, Assets
from .libraries import EARLY_LIBRARIES


def make_page_blueprint(state: ExtensionState, assets: Assets) -> Blueprint:
    """Make the route `/`; below a path such as `/assistant`, which leads there, too."""
    blueprint = Blueprint("page", __name__)
    settings = state.service.settings
    preloads = [*assets.modules("js/main.js"), *(name for name in EARLY_LIBRARIES if name in assets)]

    # All URLs in it are relative, so that it works below any path, whether or not a proxy removes that path.
    @cache
    def page() -> Asset:
        state.log_warnings()  # where no server has done so at its start
        variables = {
            "static": assets.folder,
            "preloads": preloads,
            "demo": settings.provider.is_demo,
            "version": __version__,
        }
        return Asset(render_template("sluice/page.html", **variables).encode(), "text/html; charset=utf-8")

    @blueprint.get("/")
    def index() -> Response:
        # Not cached, because it names the version of all other files.
        return page().response("no-cache")

    def index_below_path(setup: BlueprintSetupState) -> None:
        if setup.url_prefix:
            setup.add_url_rule(
                "", "add_slash", lambda: redirect(add_slash(request.full_path), HTTPStatus.PERMANENT_REDIRECT)
            )

    blueprint.record(index_below_path)
    return blueprint


def make_configuration_blueprint(state: ExtensionState) -> Blueprint:
    """Make the route `/api/config`."""
    blueprint = Blueprint("configuration", __name__)
    settings = state.service.settings

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
