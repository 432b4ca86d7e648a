"""Why a client's request is refused, and the status that says so."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from ..service.errors import ServiceError


class SignInRequired(ServiceError):
    """The application knows no user for the request."""

    code = "sign_in_required"
    public_message = "Please sign in."


class Forbidden(ServiceError):
    """The application refuses its signed-in user."""

    code = "forbidden"
    public_message = "You are not allowed to use this chat."


class RateLimited(ServiceError):
    """The application lets nobody ask that often, such as by Flask-Limiter."""

    code = "rate_limited"
    retryable = True
    public_message = "You have sent too many requests. Please try again in a moment."


class UserChanged(ServiceError):
    """The page that sent the request was loaded by another user of the same browser."""

    code = "user_changed"
    public_message = "Another user has signed in in this browser since the page was loaded."


class InvalidRequest(ServiceError):
    """The request is not of the documented form."""

    code = "invalid_request"
    public_message = "The request is not valid."

    def __init__(
        self,
        public_message: str,
        *,
        field: str | None = None,
        status: int = HTTPStatus.BAD_REQUEST,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Describe what is wrong.

        Args:
            public_message: What was wrong and what would be right.
            field: The request's field that is at fault, such as ``conversation_history[2].role``.
            status: 403 for another site's page; 408 where it came too slowly; 413 where something is too large; 415
                for another content type or a content coding; 421 for another host; 400 for all else.
            headers: Headers of the reply that belong to the status.
        """
        super().__init__(public_message=public_message)
        self.field = field
        self.status = status
        self.headers = headers


class CsrfRefused(InvalidRequest):
    """The application refused the request's CSRF token: it is missing, has expired, or belongs to another session."""

    code = "csrf_refused"
