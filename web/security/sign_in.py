"""Asks the application who the user is, before each request of the chat."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias

from flask import abort, current_app, g, request
from flask.sansio.scaffold import Scaffold
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from ..request_errors import Forbidden, SignInRequired, UserChanged

#: Returns the user's key; None for a visitor who should sign in; or a response, such as a redirect to the sign-in.
Authorize: TypeAlias = Callable[[], str | int | Response | None]
#: What is wrong with an application that has users and no secret key.
MISSING_KEY = (
    "app.secret_key is not set; it should be, because browsers keep conversations under a key derived from it"
)
_KEY = "sluice_user"
#: Holds the `storage_key` with which a page was loaded.
PAGE_USER_HEADER = "X-Sluice-User"
# Of the digest: 2^80 keys.
_STORAGE_KEY_CHARS = 20


def current_user_key() -> str:
    """Return the key of the user of the current request; empty where the application names none."""
    key: str = g.get(_KEY, "")
    return key


def storage_key(user: str | None = None) -> str:
    """Return the key under which a browser keeps a user's conversations. Nothing of the user can be read from it.

    The same in all workers, and another one for each secret key.

    Args:
        user: The user's key as `authorize` returns it; None for the user of the current request.

    Returns:
        Hexadecimal digits; empty where the application names no user.

    Raises:
        RuntimeError: The application has no secret key.
    """
    user = current_user_key() if user is None else user
    if not user:
        return ""
    secret = _secret_key()
    secret = secret.encode() if isinstance(secret, str) else secret
    return hmac.digest(secret, f"sluice user {user}".encode(), "sha256").hex()[:_STORAGE_KEY_CHARS]


def _secret_key() -> str | bytes:
    secret = current_app.secret_key
    if not secret:
        raise RuntimeError(MISSING_KEY)
    return secret


def require_user_of_api(scaffold: Scaffold, authorize: Callable[[], Authorize | None]) -> None:
    """Answer requests of the API with 401 or 403 in JSON where the application refuses the user.

    Args:
        scaffold: Whose requests.
        authorize: Returns the application's function, if it has one by then.
    """

    @scaffold.before_request
    def check_user() -> Response | None:
        refusal = ask_for_user(authorize())
        if refusal is None:
            _refuse_page_of_another_user()
            return None
        # A client of the API cannot use a sign-in page.
        if refusal.status_code == HTTPStatus.FORBIDDEN:
            raise Forbidden
        if refusal.status_code == HTTPStatus.UNAUTHORIZED or 300 <= refusal.status_code < 400:
            raise SignInRequired
        return refusal


def require_user_of_page(scaffold: Scaffold, authorize: Callable[[], Authorize | None]) -> None:
    """Answer requests for the page with the application's own redirect or error page where it refuses the user.

    Args:
        scaffold: Whose requests.
        authorize: Returns the application's function, if it has one by then.
    """

    @scaffold.before_request
    def check_user() -> Response | None:
        try:
            return ask_for_user(authorize())
        except SignInRequired:
            abort(HTTPStatus.UNAUTHORIZED)


def _refuse_page_of_another_user() -> None:
    """Accept a request of the current user's own page, or of a client that names no user.

    A page stays open while users change. Its conversation must not become the next user's.

    Raises:
        UserChanged: The page was loaded by another user.
    """
    of_page = request.headers.get(PAGE_USER_HEADER)
    if of_page is not None and of_page != storage_key():
        raise UserChanged


def is_refused(authorize: Authorize | None) -> bool:
    """Return whether the application refuses the user of the current request.

    Args:
        authorize: The application's function, if it has one.
    """
    try:
        return ask_for_user(authorize) is not None
    except (SignInRequired, HTTPException):
        return True


def ask_for_user(authorize: Authorize | None) -> Response | None:
    """Keep the user's key for this request, or return the application's refusal. In a request's context.

    Args:
        authorize: The application's function, if it has one.

    Raises:
        HTTPException: The function has called `abort`.
        RuntimeError: The application has no secret key.
        SignInRequired: The visitor is not signed in.
        TypeError: The function returned something else.
    """
    if authorize is None:
        return None
    answer = authorize()
    if isinstance(answer, Response):
        return answer
    if answer is None or answer == "":
        raise SignInRequired
    # True would be one key for all users.
    if isinstance(answer, bool) or not isinstance(answer, str | int):
        raise TypeError(
            f"authorize returned {type(answer).__name__}; it should return the user's key, None or a response"
        )
    # For the API as for the page, which needs it.
    _secret_key()
    setattr(g, _KEY, str(answer))
    return None
