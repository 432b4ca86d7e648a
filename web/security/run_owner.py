"""Who owns a run that outlives its connection: the application's user, or else a browser, by a cookie."""

from __future__ import annotations

import hashlib
import re
import secrets

from flask import Request, Response

from .sign_in import current_user_key, storage_key

COOKIE = "sluice_reader"
# Seconds: longer than a run can be read (`SLUICE_RUN_KEPT`), for a phone that was off for a night.
_MAX_AGE = 7 * 86_400
_VALUE = re.compile(r"[0-9a-f]{32}")


class RunOwner:
    """Whoever makes a request, as the owner of runs. In a request's context."""

    def __init__(self, request: Request) -> None:
        """Take the application's user, or the browser's cookie; without both, a new cookie."""
        user = current_user_key()
        cookie = request.cookies.get(COOKIE, "")
        self._is_new = not user and not _VALUE.fullmatch(cookie)
        self._cookie = secrets.token_hex(16) if self._is_new else cookie
        #: A digest: neither a user's key nor a cookie is in the store.
        self.digest = digest_of_user(user) if user else _digest(f"cookie {self._cookie}")
        self._path = request.script_root + request.path.partition("/api/")[0] + "/"
        self._is_secure = request.is_secure

    def mark(self, response: Response) -> None:
        """Give a new cookie to the browser."""
        if self._is_new:
            response.set_cookie(
                COOKIE,
                self._cookie,
                max_age=_MAX_AGE,
                path=self._path,
                secure=self._is_secure,
                httponly=True,
                samesite="Lax",
            )


def digest_of_user(user: str) -> str:
    """Return what the store has in place of a user's key, as `authorize` returns it. In an application's context.

    Another one for each secret key: applications that share a store may have users of the same keys, such as 1.

    Raises:
        RuntimeError: The application has no secret key.
    """
    return _digest(f"user {storage_key(user)}")


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]
