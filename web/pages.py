"""The chat page, and what it needs to know."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, render_template

from service import __version__

from .extension import Sluice


def pages_blueprint(sluice: Sluice) -> Blueprint:
    """Make the routes `/` and `/api/config`."""
    blueprint = Blueprint("pages", __name__)
    settings = sluice.service.settings

    @blueprint.get("/")
    def index() -> str:
        return render_template("index.html")

    @blueprint.get("/api/config")
    def config() -> Response:
        response = jsonify(
            interaction_mode=settings.page_mode,
            model=settings.default_model,
            models=list(settings.allowed_models),
            demo=settings.demo,
            max_message_chars=settings.max_message_chars,
            max_history=settings.max_history,
            version=__version__,
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint
