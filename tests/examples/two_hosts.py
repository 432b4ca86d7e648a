"""Two applications with Sluice in one process, of which the second reads the body of every response."""

from __future__ import annotations

from flask import Flask, Response
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from sluice import Sluice

sluice = Sluice()
first, second = Flask("first"), Flask("second")
for app in (first, second):
    app.add_url_rule("/", "index", lambda: "the host's own page")
    sluice.init_app(app)


@second.after_request
def measure(response: Response) -> Response:
    """Do what many applications do, to log or to compress."""
    response.headers["X-Length"] = str(len(response.get_data()))
    return response


application = DispatcherMiddleware(first, {"/second": second})
