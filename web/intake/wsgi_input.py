"""The body of a request as the application reads it (`wsgi.input`), and what happens to an unread body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..api.body_errors import BROKEN, TIMED_OUT, TOO_LARGE
from .gunicorn_internals import ParseException, response_of
from .request_parser import BodyTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from .body_arrival import BodyArrival


class WsgiInput:
    """A request's body, whose broken chunks raise `OSError`, as a broken connection does.

    gunicorn raises its own exceptions, which frameworks do not know and report as errors of the application.
    """

    def __init__(self, body: Any, arrival: BodyArrival | None = None) -> None:
        """Take gunicorn's own body, and its progress where that is known."""
        self._body = body
        self._arrival = arrival
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
            kinds = {TimeoutError: TIMED_OUT, BodyTooLarge: TOO_LARGE}
            self.failure = next((name for kind, name in kinds.items() if isinstance(error, kind)), BROKEN)
            raise
        return data

    def limit_announced(self, most: int) -> None:
        """Have `read` fail, instead of waiting, once chunks announce more bytes than the reader accepts."""
        if self._arrival is not None:
            self._arrival.limit = most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


def wrap_request_bodies(application: WSGIApplication) -> WSGIApplication:
    """Return the application with request bodies of `WsgiInput`.

    Where the reply begins before all of the body was received, or the body is broken, the connection is closed after
    the reply. An unread body that was received is discarded, and the connection is kept.
    """

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # Requests of HTTP/2 and of other protocols have no `arrival`.
        response = response_of(start_response)
        arrival = getattr(response.req, "arrival", None)
        received = environ["wsgi.input"] = WsgiInput(environ["wsgi.input"], arrival)

        def begin_response(status: str, headers: Any, exc_info: Any = None) -> Any:
            if arrival is not None and not arrival.is_complete:
                unreader = response.req.unreader
                unreader.must_continue = False
                unreader.receive_now()
                if not arrival.is_complete:
                    response.force_close()
            elif received.failure is not None:
                response.force_close()
            if _asks_to_close(environ):
                response.force_close()
            return start_response(status, headers, exc_info)

        return application(environ, begin_response)

    return serve


def _asks_to_close(environ: WSGIEnvironment) -> bool:
    """Return whether `close` is among the options of Connection (RFC 9112, section 9.6). gunicorn reads no lists."""
    return any(option.strip().lower() == "close" for option in environ.get("HTTP_CONNECTION", "").split(","))
