"""What to say of a request's body that could not be read to its end. The server's worker knows why."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from ..request_errors import InvalidRequest

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

#: What `failure` of `wsgi.input` says where the time for the body was over, and where its bytes broke off.
TIMED_OUT = "timed out"
BROKEN = "broken"


def find_body_error(environ: WSGIEnvironment) -> InvalidRequest | None:
    """Say what became of a request's body; `None` where it was read, or where the server does not tell."""
    failure = getattr(environ.get("wsgi.input"), "failure", None)
    if failure == TIMED_OUT:
        sentence = "The body was not received within its time limit. It should be sent faster."
        return InvalidRequest(sentence, status=HTTPStatus.REQUEST_TIMEOUT)
    if failure == BROKEN:
        return InvalidRequest("The body ended early, or its chunks are not framed as in RFC 9112, section 7.1.")
    return None
