"""The body of a request as the application reads it (`wsgi.input`), and what happens to an unread body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..api.body_errors import BROKEN, TIMED_OUT
from .gunicorn_internals import ParseException, response_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class WsgiInput:
    """A request's body, whose broken chunks raise `OSError`, as a broken connection does.

    gunicorn raises its own exceptions, which frameworks do not know and report as errors of the application.
    """

    def __init__(self, body: Any) -> None:
        """Take gunicorn's own body."""
        self._body = body
        #: Why it could not be read (`api/body_errors.py`). Not the exception, whose frames refer to this object.
        self.failure: str | None = None

    def read(self, size: int | None = None) -> bytes:
        """Read as gunicorn's body does.

        Raises:
            OSError: It ended early, or its framing is invalid; `TimeoutError` where its time limit is exceeded.
        """
        try:
            data: bytes = self._body.read(size)
        except ParseException as error:
            self.failure = BROKEN
            raise OSError(f"{type(error).__name__}: {error}") from error
        except OSError as error:
            self.failure = TIMED_OUT if isinstance(error, TimeoutError) else BROKEN
            raise
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


def wrap_request_bodies(application: WSGIApplication) -> WSGIApplication:
    """Return the application with request bodies of `WsgiInput`.

    Where the reply begins before all of the body was received, the connection is closed after the reply. An unread
    body that was received is discarded, and the connection is kept.
    """

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"] = WsgiInput(environ["wsgi.input"])
        # Requests of HTTP/2 and of other protocols have no `arrival`.
        response = response_of(start_response)
        arrival = getattr(response.req, "arrival", None)

        def begin_response(status: str, headers: Any, exc_info: Any = None) -> Any:
            if arrival is not None and not arrival.is_complete:
                unreader = response.req.unreader
                unreader.must_continue = False
                unreader.receive_now()
                if not arrival.is_complete:
                    response.force_close()
            return start_response(status, headers, exc_info)

        return application(environ, begin_response)

    return serve
