"""The help desk's own error pages."""

from __future__ import annotations

from flask import Flask, render_template
from flask_babel import lazy_gettext
from werkzeug.exceptions import HTTPException

_TEXTS = {
    401: lazy_gettext("Please sign in."),
    403: lazy_gettext("You may not see this page."),
    404: lazy_gettext("There is no such page."),
    500: lazy_gettext("Something went wrong here. We have been told."),
}


def init_app(app: Flask) -> None:
    """Add the error pages to the application."""
    for status in _TEXTS:
        app.register_error_handler(status, _show)


def _show(error: Exception) -> tuple[str, int]:
    status = (error.code if isinstance(error, HTTPException) else None) or 500
    return render_template("error.html", text=_TEXTS[status]), status
