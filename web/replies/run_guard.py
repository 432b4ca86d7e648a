"""Ends the run of a streamed reply, whatever becomes of the response that the view has made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Request, Response, current_app
from werkzeug.wsgi import ClosingIterator

from ..foreign_servers import warn_of_adapter
from .stream_body import StreamBody

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger("sluice.web")

_KEY = "sluice.stream"


class _OpenStream(NamedTuple):
    body: StreamBody
    #: Ends the run. Calling it twice is harmless.
    end_run: Callable[[], None]
    #: Closes the response, which ends the run, too.
    close_response: Callable[[], None]

    def is_body(self, body: Iterable[bytes]) -> bool:
        """Return whether a reply's body is the stream itself."""
        return body is self.body


def has_stream(environ: WSGIEnvironment) -> bool:
    """Return whether the application has made a stream for a request, perhaps of another body than the reply's."""
    return _KEY in environ


class StreamResponse(Response):
    """The response of a stream. Its body is not wrapped here, so that the server can recognise it."""

    def __init__(self, request: Request, stream: StreamBody, headers: dict[str, str], end_run: Callable[[], None]):
        """Take a stream, whose run ends with this response or, without it, by the `RunGuard`.

        Args:
            request: The request that is answered.
            stream: The body.
            headers: The headers of the stream's format.
            end_run: Ends the run. May be called twice.
        """
        super().__init__(stream, headers=headers, direct_passthrough=True)
        self._stream = stream
        # Not at the end of the iteration: it never starts if the client disconnects before the first write.
        self.call_on_close(end_run)
        request.environ[_KEY] = _OpenStream(stream, end_run, self.close)
        own_class: type[Response] = current_app.response_class
        if not isinstance(self, own_class):
            # Flask would make it an object of the application's class, without the functions of this one.
            self.__class__ = _join(own_class)  # type: ignore[arg-type]  # mypy takes it for an object

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass head and body to the server."""
        if self.response is not self._stream:
            # An `after_request` function has replaced the body, perhaps by an iterator over the stream.
            self.direct_passthrough = False
        return super().__call__(environ, start_response)

    def get_data(self, as_text: bool = False) -> Any:
        """Return the whole body after the end of the answer, for an application's function that reads every response.

        Werkzeug raises an exception where a body is passed through: every stream would fail.
        """
        self.direct_passthrough = False
        return super().get_data(as_text)  # type: ignore[call-overload]

    # Werkzeug's property calls its own functions.
    data = property(lambda self: self.get_data(), lambda self, value: self.set_data(value))

    def make_sequence(self) -> None:
        """Read the whole body. Werkzeug calls it for `get_data`, `freeze` and the like."""
        if self.response is self._stream:
            _warn_of_reading()
        super().make_sequence()


@cache
def _join(own_class: type[Response]) -> type[StreamResponse]:
    """Return a class of streams that is also one of an application's responses."""
    return type(StreamResponse.__name__, (StreamResponse, own_class), {})


@cache
def _warn_of_reading() -> None:
    logger.warning(
        "an after_request function of the application reads the bodies of streams: answers arrive whole, and not "
        "token by token; it should not read a response whose is_streamed is true"
    )


class RunGuard:
    """A WSGI middleware around the application: ends the run of a stream if its response is lost.

    A later function may raise an exception, or return another response.
    """

    def __init__(self, application: WSGIApplication) -> None:
        """Take the application whose views make streams."""
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass a request on. Only the reply of a stream is watched; all others pass unchanged."""
        try:
            body = self._application(environ, start_response)
        except BaseException:
            stream: _OpenStream | None = environ.get(_KEY)
            if stream is not None:
                stream.end_run()
            raise
        stream = environ.get(_KEY)
        if stream is None:
            return body
        warn_of_adapter(environ, start_response)
        if not stream.is_body(body):
            return ClosingIterator(body, stream.end_run)
        # The server closes the body that is passed through, and not its response.
        stream.body.on_close(stream.close_response)
        return body
