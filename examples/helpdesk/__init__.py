"""A help desk with users, tickets, two languages and pages of its own, to which the chat was added.

`assistant.py` is all that the chat needs. The other files are those of any Flask application.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, request, session
from flask_babel import Babel, get_locale
from flask_wtf import CSRFProtect

from . import accounts, assistant, errors, headers, pages
from .demo_data import add_commands
from .models import db

LANGUAGES = ("en", "zh")

babel = Babel()
csrf = CSRFProtect()


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the application.

    Args:
        config: Its configuration, over the variables `HELPDESK_...` of the environment.
    """
    app = Flask(__name__)
    app.config["DATABASE"] = str(Path(app.instance_path) / "helpdesk.sqlite")
    app.config.from_prefixed_env("HELPDESK")
    app.config.from_mapping(config)
    app.config.setdefault("SQLALCHEMY_DATABASE_URI", f"sqlite:///{app.config['DATABASE']}")
    if not app.config["SECRET_KEY"]:
        raise RuntimeError("HELPDESK_SECRET_KEY is not set; it should be a long random text, the same in all workers")
    db.init_app(app)
    csrf.init_app(app)
    babel.init_app(app, locale_selector=choose_language)
    app.jinja_env.globals["get_locale"] = get_locale
    accounts.init_app(app)
    assistant.init_app(app)
    app.register_blueprint(pages.blueprint)
    errors.init_app(app)
    headers.init_app(app)
    add_commands(app)
    return app


def choose_language() -> str:
    """Return the language that the user chose, or the one that the browser prefers."""
    chosen: str | None = session.get("language")
    return chosen or request.accept_languages.best_match(LANGUAGES, default="en")
