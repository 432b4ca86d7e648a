"""Whatever a provider says of a failure -> the `UpstreamError` of the right class. No I/O.

Providers agree neither on shapes nor on codes: `provider_said.py` gathers the parts that say something,
`provider_rules.py` has what they mean, `provider_wait.py` reads how long to wait.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from ..errors import (
    ContextLengthExceeded,
    KeyRefused,
    QuotaExceeded,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from ..excerpts import excerpt
from .extraction import READ_VALUES, Said, decoded, gather, said_in
from .retry_after import seconds_to_wait
from .rules import RULES

# Where a provider limits requests without saying for how long.
RETRY_AFTER_UNKNOWN: Final = 5.0
# Of a whole error whose codes are too general for a rule.
_REJECTED: Final = frozenset(("invalid_request_error", "badrequesterror", "invalid_argument", "validation_error"))


def failure_from_status(
    status: int, headers: Mapping[str, str], body: bytes | str, now: datetime | None = None
) -> UpstreamError:
    """Say what a reply with any status but 200 means.

    Args:
        status: The HTTP status.
        headers: The reply's headers; names in lower case, or a mapping that does not mind case.
        body: What was read of its body.
        now: The time that dates in headers are compared with; the present where `None`.

    Returns:
        The failure. Its `detail`, for the log, has the advice to the operator, the status and an excerpt of the body.
    """
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    said = said_in(text)
    # Whoever redirects or answers with another success has not looked at the request.
    kind = (_kind(said, status) if status >= 400 else None) or _kind_of_status(status)
    detail = f"{status}: {_excerpt(text)}"
    if 300 <= status < 400:
        detail = f"{detail} (redirects to {headers.get('location')!r} are not followed)"
    return _made(kind, detail, seconds_to_wait(headers, said.wait, said.reset, now or datetime.now(UTC)))


def failure_from_event(error: object, where: str = "inside the stream", now: datetime | None = None) -> UpstreamError:
    """Say what an error that came with status 200 means.

    Args:
        error: What stood in place of an answer, decoded: a text, an object, a list; `error` may be around it.
        where: Where it stood, for the log.
        now: The time that dates in it are compared with; the present where `None`.
    """
    said = Said()
    gather(error, said)
    status = next((status for status in said.statuses if 400 <= status < 600), 0)
    kind = _kind(said, status)
    if kind is None and status:
        kind = _kind_of_status(status)
    if kind is None:
        kind = UpstreamRejected if _REJECTED & said.codes else UpstreamUnavailable
    text = error if isinstance(error, str) else json.dumps(error, ensure_ascii=False, default=repr)
    detail = f"an error {where}: {_excerpt(text)}"
    return _made(kind, detail, seconds_to_wait({}, said.wait, said.reset, now or datetime.now(UTC)))


def failure_in(value: object, where: str = "inside the stream") -> UpstreamError | None:
    """Find the failure in a JSON value that is no part of an answer.

    Args:
        value: What was decoded: in place of a chunk, or as a whole body with status 200.
        where: Where it stood, for the log.

    Returns:
        The failure, or `None` where the value says nothing of one: then it is something else, a ping for example.
    """
    if isinstance(value, list):
        found = (failure_in(item, where) for item in value[:READ_VALUES])
        return next((failure for failure in found if failure is not None), None)
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


def failure_in_data(data: bytes) -> UpstreamError | None:
    """Find the failure in the data of an event that is no part of an answer; as `failure_in`."""
    return failure_in(decoded(data.decode(errors="replace")))


def _made(kind: type[UpstreamError], detail: str, wait: float | None) -> UpstreamError:
    if kind.advice:
        detail = f"{kind.advice}. It said {detail}"
    if kind is UpstreamRateLimited and wait is None:
        wait = RETRY_AFTER_UNKNOWN
    return kind(detail, retry_after=wait if kind.retryable else None)


def _kind(said: Said, status: int) -> type[UpstreamError] | None:
    text = said.text
    # Gemini has one sentence for the limits of a minute and of a day; the name of the quota says which it was.
    if "resource_exhausted" in said.codes:
        return QuotaExceeded if any("perday" in code for code in said.codes) else UpstreamRateLimited
    for rule in RULES:
        if rule.codes & said.codes or ((status < 500 or rule.also_with_5xx) and rule.pattern.search(text)):
            return rule.kind
    return None


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
