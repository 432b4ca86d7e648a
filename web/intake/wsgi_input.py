"""A request's body as gunicorn's worker hands it to the application (`wsgi.input`), and what becomes of its rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..api.body_errors import BROKEN, TIMED_OUT
from .gunicorn_internals import ParseException, response_of

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
        #: Why it could not be read to its end (`api/body_errors.py`). Not the error: it holds frames that hold this.
        self.failure: str | None = None

    def read(self, size: int | None = None) -> bytes:
        """Read as gunicorn's body does.

        Raises:
            OSError: It has broken off, or its framing is broken; `TimeoutError` where its time is over.
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
    """Hand the application bodies whose broken chunks it can tell from a defect of its own.

    Where the reply begins before all of the body has come, the connection ends with the reply: nobody waits for what
    the application did not want. A body that has come is left out, and its connection kept.
    """

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"] = WsgiInput(environ["wsgi.input"])
        # gunicorn's; one of HTTP/2, or of another protocol, has no such request.
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
