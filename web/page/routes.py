"""The chat page, and its configuration."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request
from flask.sansio.blueprints import BlueprintSetupState

from ... import __version__
from ..api.json_response import make_uncached_response
from ..extension_state import ExtensionState
from ..routing import add_slash
from ..security.headers import mark_page
from ..security.run_owner import RunOwner
from ..security.sign_in import storage_key
from .assets import Asset, Assets
from .embedding import PAGE_TEMPLATE, PageParts, has_own_template, host_language

HTML = "text/html; charset=utf-8"
# Functions by which an application's templates write what differs from one request to the next.
_OF_REQUEST = ("csrf_token", "csp_nonce")


def make_page_blueprint(state: ExtensionState, assets: Assets) -> Blueprint:
    """Make the route `/`; below a path such as `/assistant`, which leads there, too."""
    blueprint = Blueprint("page", __name__)
    parts = PageParts(state, assets)
    parts.register(blueprint)

    def render() -> str:
        return render_template(PAGE_TEMPLATE, **parts.variables())

    @cache
    def page_for_all() -> Asset:
        return Asset(render().encode(), HTML)

    @blueprint.get("/")
    def index() -> Response:
        state.log_warnings()  # where no server has done so at its start
        if _is_same_for_all():
            # Not cached, because it names the version of all other files.
            response = page_for_all().response("no-cache")
            mark_page(has_host_layout=False)
            return response
        response = make_response(render())
        mark_page(has_host_layout=not has_own_template())
        # Nor kept for the back button, which could show one user's conversation to the next.
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def index_below_path(setup: BlueprintSetupState) -> None:
        if setup.url_prefix:
            setup.add_url_rule(
                "", "add_slash", lambda: redirect(add_slash(request.full_path), HTTPStatus.PERMANENT_REDIRECT)
            )

    blueprint.record(index_below_path)
    return blueprint


def _is_same_for_all() -> bool:
    """Return whether the page has nothing of the request: no layout of the application, token, user or language."""
    if not has_own_template() or storage_key() or host_language():
        return False
    return not any(name in current_app.jinja_env.globals for name in _OF_REQUEST)


def make_configuration_blueprint(state: ExtensionState) -> Blueprint:
    """Make the route `/api/config`."""
    blueprint = Blueprint("configuration", __name__)
    settings = state.service.settings

    @blueprint.get("/api/config")
    def config() -> Response:
        provider = settings.provider
        # The application's function chooses the model for each chat.
        is_model_known = state.hooks.prepare is None
        response = make_uncached_response(
            {
                "interaction_mode": settings.chat.page_mode,
                "model": provider.default_model if is_model_known else "",
                "models": provider.allowed_models if is_model_known else [],
                "demo": provider.is_demo,
                "currency": provider.catalog.currency,
                "max_message_chars": settings.limits.max_message_chars,
                "max_history": settings.limits.max_history,
                "max_body_bytes": settings.max_chat_body_bytes,
                "allow_system_prompt": settings.chat.allow_system_prompt == "on",
                "allow_temperature": settings.chat.allow_temperature == "on",
                "images": settings.chat.allow_images == "on",
                "resumable": not settings.storage.is_off,
                "starters": settings.page.starters,
                "version": __version__,
                "user": storage_key(),
            }
        )
        if not settings.storage.is_off:
            # Before the first answer begins: a reader who loses the connection at once is known already.
            RunOwner(request).mark(response)
        return response

    return blueprint
