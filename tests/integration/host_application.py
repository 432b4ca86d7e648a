"""Sluice inside an application of somebody's own: below a path, and with settings that are not ours."""

from __future__ import annotations

from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from sluice.web import create_app

MOUNTED_AT = "/inside"
#: Less than any chat has.
MOST_BYTES = 10

app = create_app()
app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
app.wsgi_app = DispatcherMiddleware(NotFound(), {MOUNTED_AT: app.wsgi_app})  # type: ignore[method-assign]
