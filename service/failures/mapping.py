"""Map a provider's description of a failure to the `UpstreamError` of the right class.

Providers agree neither on shapes nor on codes. `extraction.py` collects codes and texts, `rules.py` lists what they
mean, `retry_after.py` reads how long to wait.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from ..errors import (
    ContextLengthExceeded,
    KeyRefused,
    QuotaExceeded,
    TemperatureRefused,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from ..excerpts import excerpt
from .extraction import READ_VALUES, FailureText
from .retry_after import seconds_to_wait
from .rules import RULES

# Seconds, where a provider limits requests and states no time.
RETRY_AFTER_UNKNOWN: Final = 5.0
_TEMPERATURE: Final = re.compile(r"(?:^|\W)temperature\W*$")
# Codes that are too general for a rule: they mean this only where no rule matches.
_REJECTED: Final = frozenset(("invalid_request_error", "badrequesterror", "invalid_argument", "validation_error"))


def failure_from_status(
    status: int, headers: Mapping[str, str], body: bytes | str, now: datetime | None = None
) -> UpstreamError:
    """Map a response whose status is not 200.

    Args:
        status: The HTTP status.
        headers: The response's headers; names in lower case, or a mapping that ignores case.
        body: The beginning of its body.
        now: The time that dates in headers are compared with; `None` for the present.

    Returns:
        The failure. Its `detail`, which is for the log, has the advice to the operator, the status and an excerpt of
        the body.
    """
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    found = FailureText.from_body(text)
    # A server that redirects, or answers with another success, has not examined the request.
    kind = (_kind(found, status) if status >= 400 else None) or _kind_of_status(status)
    detail = f"The provider answered {status}: {_excerpt(text)}"
    if 300 <= status < 400:
        detail = f"{detail} (redirects to {headers.get('location')!r} are not followed)"
    return _failure(kind, detail, seconds_to_wait(headers, found.wait, found.reset, now or datetime.now(UTC)))


def failure_from_event(error: object, where: str = "inside the stream", now: datetime | None = None) -> UpstreamError:
    """Map an error that came with status 200.

    Args:
        error: The decoded JSON that came in place of a part of the answer; an object may hold it under `error`.
        where: Where it came, for the log.
        now: The time that dates in it are compared with; `None` for the present.

    Returns:
        The failure, as from `failure_from_status`.
    """
    found = FailureText.from_value(error)
    status = next((status for status in found.statuses if 400 <= status < 600), 0)
    kind = _kind(found, status)
    if kind is None and status:
        kind = _kind_of_status(status)
    if kind is None:
        kind = UpstreamRejected if _REJECTED & found.codes else UpstreamUnavailable
    text = error if isinstance(error, str) else json.dumps(error, ensure_ascii=False, default=repr)
    detail = f"The provider sent an error {where}: {_excerpt(text)}"
    return _failure(kind, detail, seconds_to_wait({}, found.wait, found.reset, now or datetime.now(UTC)))


def failure_in(value: object, where: str = "inside the stream") -> UpstreamError | None:
    """Find the failure in a JSON value that is not a part of an answer.

    Args:
        value: The decoded value: in place of a chunk, or a whole body with status 200.
        where: Where it came, for the log.

    Returns:
        The failure, or `None` where the value names none: then it is something else, a ping for example.
    """
    if isinstance(value, list):
        failures = (failure_in(item, where) for item in value[:READ_VALUES])
        return next((failure for failure in failures if failure is not None), None)
    if not isinstance(value, dict):
        return None
    names_failure = (
        value.get("error")
        or "error" in (value.get("object"), value.get("type"))
        or value.get("detail")
        or value.get("errors")
        or (value.get("code") and value.get("message"))
    )
    return failure_from_event(value, where) if names_failure else None


def _failure(kind: type[UpstreamError], detail: str, wait: float | None) -> UpstreamError:
    if kind.advice:
        detail = f"{kind.advice}. {detail}"
    if kind is UpstreamRateLimited and wait is None:
        wait = RETRY_AFTER_UNKNOWN
    return kind(detail, retry_after=wait if kind.retryable else None)


def _kind(found: FailureText, status: int) -> type[UpstreamError] | None:
    text = found.text
    # Gemini has one message for the limits of a minute and of a day; the quota's name tells which it was.
    if "resource_exhausted" in found.codes:
        return QuotaExceeded if any("perday" in code for code in found.codes) else UpstreamRateLimited
    for rule in RULES:
        if rule.codes & found.codes or ((status < 500 or rule.also_with_5xx) and rule.pattern.search(text)):
            return rule.kind
    # Validation errors name the field, and say of its value what each library says.
    return TemperatureRefused if any(_TEMPERATURE.search(name) for name in found.params) else None


def _kind_of_status(status: int) -> type[UpstreamError]:
    match status:
        case 401:
            return KeyRefused
        case 402:
            return QuotaExceeded
        case 408:
            return UpstreamUnavailable
        case 413:
            return ContextLengthExceeded
        case 429:
            return UpstreamRateLimited
    if 300 <= status < 500:
        return UpstreamRejected
    return UpstreamUnavailable if status >= 500 else UpstreamInvalid


def _excerpt(text: str) -> str:
    # Half of a surrogate pair could not be written.
    return excerpt(text).encode(errors="backslashreplace").decode()
