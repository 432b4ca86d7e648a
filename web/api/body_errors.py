"""The error of a request whose body could not be read completely. The server's worker reports the reason."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from ..request_errors import InvalidRequest

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

#: Values of the attribute `failure` of `wsgi.input`: the time limit was exceeded; the body ended early or is broken.
TIMED_OUT = "timed out"
BROKEN = "broken"


def find_body_error(environ: WSGIEnvironment) -> InvalidRequest | None:
    """Return why a request's body could not be read; None where it was read or the server does not report it."""
    failure = getattr(environ.get("wsgi.input"), "failure", None)
    if failure == TIMED_OUT:
        message = "The body was not received within its time limit. It should be sent faster."
        return InvalidRequest(message, status=HTTPStatus.REQUEST_TIMEOUT)
    if failure == BROKEN:
        return InvalidRequest("The body ended early, or its chunks are not framed as in RFC 9112, section 7.1.")
    return None
