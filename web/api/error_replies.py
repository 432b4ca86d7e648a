"""Errors -> HTTP replies: the table of statuses, and the handlers of the service's and of Flask's errors."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, current_app, request
from flask.sansio.scaffold import Scaffold
from werkzeug.exceptions import Forbidden as ForbiddenStatus
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    default_exceptions,
)

from ...service.errors import (
    AnswerTooLarge,
    CallDecided,
    CallUnknown,
    ContentFiltered,
    ContextLengthExceeded,
    InternalError,
    Interrupted,
    KeyRefused,
    KeyReused,
    ModelNotFound,
    Overloaded,
    QuotaExceeded,
    Refused,
    RunExpired,
    RunUnknown,
    ServiceError,
    ShuttingDown,
    Stopped,
    StoreAway,
    TemperatureRefused,
    TooManyReaders,
    TooManyRuns,
    UpstreamInvalid,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from ...service.observability.logging import request_id
from ...service.observability.resources import exhausted_by
from ..encoders.error_fields import describe_error
from ..extension_state import ExtensionState
from ..request_errors import CsrfRefused, Forbidden, InvalidRequest, RateLimited, SignInRequired, UserChanged
from ..security.sign_in import is_refused
from .body_errors import find_body_error
from .json_response import make_uncached_response

logger = logging.getLogger("sluice.web")

STATUSES: dict[type[ServiceError], int] = {
    InvalidRequest: 400,
    CsrfRefused: 400,
    SignInRequired: 401,
    Forbidden: 403,
    UserChanged: 409,
    RateLimited: 429,
    Refused: 403,
    Overloaded: 503,
    ShuttingDown: 503,
    # Of runs that outlive their connection. `Stopped` and `Interrupted` are nearly always frames.
    RunUnknown: 404,
    RunExpired: 410,
    KeyReused: 422,
    CallUnknown: 404,
    CallDecided: 409,
    TooManyReaders: 429,
    TooManyRuns: 429,
    Stopped: 409,
    Interrupted: 503,
    StoreAway: 503,
    UpstreamUnavailable: 502,
    UpstreamTimeout: 504,
    UpstreamRateLimited: 429,
    # The client can correct these by another message or value. OpenAI answers with the same status.
    ContextLengthExceeded: 400,
    ContentFiltered: 400,
    TemperatureRefused: 400,
    # Only the operator can correct these. With 401, 402 or 404 a client would look for the fault in its own request.
    QuotaExceeded: 502,
    ModelNotFound: 502,
    KeyRefused: 502,
    UpstreamRejected: 502,
    UpstreamInvalid: 502,
    # Known only after the answer has begun: always a frame in a stream; a status in block mode.
    UpstreamTruncated: 502,
    AnswerTooLarge: 502,
    InternalError: 500,
}
# Seconds, for a reply that needs a Retry-After where the error has none.
RETRY_AFTER_DEFAULT = 2.0


def make_error_response(error: ServiceError) -> Response:
    """Return the reply for an error that is known before a stream has begun. In a request's context."""
    return make_described_response(error, describe_error(error, request_id.get()))


def status_of(error: ServiceError) -> int:
    """Return the HTTP status of an error."""
    return error.status if isinstance(error, InvalidRequest) else STATUSES[type(error)]


def make_described_response(error: ServiceError, fields: Mapping[str, Any]) -> Response:
    """Return the reply for an error, with its status and headers, given the fields that describe it."""
    status = status_of(error)
    response = make_uncached_response(fields, status)
    if isinstance(error, InvalidRequest):
        response.headers.update(error.headers)
    if status in (429, 503) or error.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(error.retry_after or RETRY_AFTER_DEFAULT))
    return response


def register_error_handlers(
    scaffold: Scaffold, make_response: Callable[[ServiceError], Response] = make_error_response
) -> None:
    """Answer every failure of an application or a blueprint in JSON. Details of the cause go to the log only.

    Args:
        scaffold: Whose failures.
        make_response: Makes the reply for an error.
    """

    def answer_http_error(error: HTTPException) -> Response:
        return _answer_http_error(error, make_response)

    def answer_exception(error: Exception) -> Response:
        return make_response(_error_of_exception(error))

    scaffold.register_error_handler(ServiceError, make_response)
    scaffold.register_error_handler(HTTPException, answer_http_error)
    # Flask prefers an application's handler of one status to a blueprint's handler of all.
    for status in default_exceptions:
        scaffold.register_error_handler(status, answer_http_error)
    scaffold.register_error_handler(Exception, answer_exception)


def _answer_http_error(error: HTTPException, make_response: Callable[[ServiceError], Response]) -> Response:
    if isinstance(error.response, Response):
        return error.response
    # Redirects have a response of their own.
    if error.code is None or error.code < 400:
        return Response(status=error.code, headers=error.get_headers())
    told = _error_of_status(error)
    keeps_headers = isinstance(told, Overloaded | RateLimited | InvalidRequest)
    return _with_headers(make_response(told), error) if keeps_headers else make_response(told)


def _error_of_status(error: HTTPException) -> ServiceError:
    """Return the error for a status that Werkzeug or the application has raised."""
    assert error.code is not None
    if isinstance(error, ServiceUnavailable):
        # Raised by the application's functions, such as for its maintenance.
        return Overloaded(public_message=_own_text(error))
    if error.code >= 500:
        return InternalError()
    # Raised by the application's functions, such as `abort(401)` or `abort(403)`.
    if isinstance(error, Unauthorized):
        return SignInRequired()
    if isinstance(error, ForbiddenStatus):
        return Forbidden()
    if isinstance(error, TooManyRequests):
        return RateLimited(public_message=_own_text(error))
    message = error.description or error.name
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        message = f"The method should be {' or '.join(sorted(error.valid_methods))}."
    if not _is_of_csrf(error):
        return InvalidRequest(message, status=error.code)
    if is_refused(ExtensionState.of(current_app._get_current_object()).hooks.authorize):  # type: ignore[attr-defined]
        # The token was that of a session that has ended.
        return SignInRequired()
    return CsrfRefused(message, status=error.code)


def _own_text(error: HTTPException) -> str | None:
    """Return the application's text, which is for its users; None where the error has Werkzeug's."""
    return error.description if error.description != type(error).description else None


def _with_headers(response: Response, error: HTTPException) -> Response:
    """Return the response with those headers of an error that belong to its status."""
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _is_of_csrf(error: HTTPException) -> bool:
    """Return whether Flask-WTF, which an application may use, raised an error because of a request's token."""
    flask_wtf = sys.modules.get("flask_wtf.csrf")
    return flask_wtf is not None and isinstance(error, flask_wtf.CSRFError)


def _error_of_exception(error: Exception) -> ServiceError:
    if isinstance(error, OSError) and (refused := find_body_error(request.environ)) is not None:
        # A host application's route has read the body without Werkzeug's handling.
        return refused
    if (lacking := exhausted_by(error)) is not None:
        # Without a traceback: there may be thousands, and any place may be the one that fails.
        logger.warning("overloaded: %s: %s: %s", lacking, type(error).__name__, error)
        return Overloaded(lacking)
    logger.error("unhandled exception in a request", exc_info=error)
    return InternalError()
