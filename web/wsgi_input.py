"""A request's body as gunicorn's worker hands it to the application (`wsgi.input`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn.http.errors import ParseException

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class WsgiInput:
    """A request's body, of which broken chunks are an error of input, as a connection is that broke.

    gunicorn raises errors of its own kind, which no framework knows: they would pass for the application's defects.
    """

    def __init__(self, body: Any) -> None:
        """Take gunicorn's own body."""
        self._body = body

    def read(self, size: int | None = None) -> bytes:
        """Read as gunicorn's body does.

        Raises:
            OSError: It has broken off, or its framing is broken.
        """
        try:
            data: bytes = self._body.read(size)
        except ParseException as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


def with_wsgi_input(application: WSGIApplication) -> WSGIApplication:
    """Hand the application bodies whose broken chunks it can tell from a defect of its own."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"] = WsgiInput(environ["wsgi.input"])
        return application(environ, start_response)

    return serve
