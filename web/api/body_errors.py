"""The error of a request whose body could not be read completely. The server's worker reports the reason."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from ..request_errors import InvalidRequest

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

#: Values of the attribute `failure` of `wsgi.input`: the time limit was exceeded; the body ended early or is broken;
#: its chunks announce more bytes than were allowed by `limit_announced_body`.
TIMED_OUT = "timed out"
BROKEN = "broken"
TOO_LARGE = "too large"


def limit_announced_body(environ: WSGIEnvironment, most: int) -> None:
    """Have reading a body fail once its chunks announce more than `most` bytes, where the server can tell."""
    limit = getattr(environ.get("wsgi.input"), "limit_announced", None)
    if limit is not None:
        limit(most)


def find_body_error(environ: WSGIEnvironment) -> InvalidRequest | None:
    """Return why a request's body could not be read; None where it was read or the server does not report it."""
    failure = getattr(environ.get("wsgi.input"), "failure", None)
    if failure == TIMED_OUT:
        message = "The body was not received within its time limit. It should be sent faster."
        return InvalidRequest(message, status=HTTPStatus.REQUEST_TIMEOUT)
    if failure == TOO_LARGE:
        return InvalidRequest("The body is too large.", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if failure == BROKEN:
        return InvalidRequest("The body ended early, or its chunks are not framed as in RFC 9112, section 7.1.")
    return None
