"""Headers of every response."""

from __future__ import annotations

from flask import Flask, Response


def init_app(app: Flask) -> None:
    """Set the headers of every response of the application."""

    @app.after_request
    def set_headers(response: Response) -> Response:
        # A view, or the chat's page, may have a policy of its own.
        response.headers.setdefault("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
        response.headers["X-Helpdesk"] = "1"
        return response
