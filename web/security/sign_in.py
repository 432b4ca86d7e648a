"""Asks the application who the user is, before each request of the chat."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias

from flask import abort, g
from flask.sansio.scaffold import Scaffold
from werkzeug.wrappers import Response

from ..request_errors import Forbidden, SignInRequired

#: Returns the user's key; None for a visitor who should sign in; or a response, such as a redirect to the sign-in.
Authorize: TypeAlias = Callable[[], str | int | Response | None]
_KEY = "sluice_user"


def current_user_key() -> str:
    """Return the key of the user of the current request; empty where the application names none."""
    key: str = g.get(_KEY, "")
    return key


def require_user_of_api(scaffold: Scaffold, authorize: Callable[[], Authorize | None]) -> None:
    """Answer requests of the API with 401 or 403 in JSON where the application refuses the user.

    Args:
        scaffold: Whose requests.
        authorize: Returns the application's function, if it has one by then.
    """

    @scaffold.before_request
    def check_user() -> Response | None:
        refusal = _ask(authorize())
        if refusal is None:
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
            return _ask(authorize())
        except SignInRequired:
            abort(HTTPStatus.UNAUTHORIZED)


def _ask(authorize: Authorize | None) -> Response | None:
    """Keep the user's key for this request, or return the application's refusal.

    Raises:
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
    setattr(g, _KEY, str(answer))
    return None
