"""Read how long a provider asks to wait, from headers, durations, dates and sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

# Seconds; a provider's own time is kept within these.
RETRY_AFTER_LEAST: Final = 1.0
RETRY_AFTER_MOST: Final = 3600.0

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?\Z")
_WAIT_IN_TEXT = re.compile(
    r"(?:try again|retry) (?:in|after) (?:about )?"
    r"(?:(\d+(?:\.\d+)?) ?(?:seconds?|secs?)\b|((?:\d+(?:\.\d+)?(?:ms|[dhms]))+))",
    re.IGNORECASE,
)


def seconds_to_wait(
    headers: Mapping[str, str], stated: float | None, reset: float | None, now: datetime
) -> float | None:
    """Choose among the times that a provider names: headers first, then its text, then limits that are used up.

    Args:
        headers: The response's headers; names in lower case, or a mapping that ignores case.
        stated: Seconds that the body states.
        reset: The moment that the body states, in seconds since 1970.
        now: The time that dates and moments are compared with.

    Returns:
        Seconds from `RETRY_AFTER_LEAST` to `RETRY_AFTER_MOST`; `None` where the provider names no time, or none that
        a client can wait: NaN, infinity, a negative number, a moment in the past.
    """
    wait = plain_wait(headers.get("retry-after-ms", ""), 1000)
    if wait is None:
        wait = _retry_after(headers.get("retry-after", ""), now)
    if wait is None:
        wait = _usable(stated)
    if wait is None and reset is not None:
        wait = _usable(reset - now.timestamp())
    if wait is None:
        wait = _usable(_until_reset(headers, now))
    return None if wait is None else min(max(RETRY_AFTER_LEAST, wait), RETRY_AFTER_MOST)


def _usable(wait: float | None) -> float | None:
    """Return seconds that a client can wait; `None` for NaN, infinity, and times in the past."""
    return wait if wait is not None and math.isfinite(wait) and wait >= 0 else None


def _retry_after(text: str, now: datetime) -> float | None:
    """Read both forms of RFC 9110, section 10.2.3: seconds or a date."""
    wait = plain_wait(text)
    if wait is not None:
        return wait
    try:
        return _usable((parsedate_to_datetime(text.strip()) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def plain_wait(text: str, per_second: int = 1) -> float | None:
    """Read a plain number that is finite and not negative.

    Args:
        text: The number; anything else gives `None`.
        per_second: How many of its units are a second.

    Returns:
        Seconds.
    """
    try:
        return _usable(float(text) / per_second)
    except ValueError:
        return None


def _until_reset(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read when used-up limits reset: OpenAI's and Groq's durations, Anthropic's dates, OpenRouter's moment."""
    waits: list[float] = []
    for limit in ("requests", "tokens", "input-tokens", "output-tokens"):
        if headers.get(f"x-ratelimit-remaining-{limit}", "").strip() == "0":
            waits.append(duration(headers.get(f"x-ratelimit-reset-{limit}", "")) or 0.0)
        if headers.get(f"anthropic-ratelimit-{limit}-remaining", "").strip() == "0":
            waits.append(_until_date(headers.get(f"anthropic-ratelimit-{limit}-reset", ""), now))
    if headers.get("x-ratelimit-remaining", "").strip() == "0":
        reset = moment(headers.get("x-ratelimit-reset", ""))
        waits.append(0.0 if reset is None else reset - now.timestamp())
    wait = max(waits, default=0.0)
    return wait if wait > 0 else None


def duration(text: str) -> float | None:
    """Return the seconds of a duration such as `38s`, `6m0s`, `1h2m3.5s` or `150ms`; `None` for anything else."""
    matched = _DURATION.match(text.strip().lower())
    if not matched or not any(matched.groups()):
        return None
    days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in matched.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _until_date(text: str, now: datetime) -> float:
    try:
        date = datetime.fromisoformat(text.strip())
    except ValueError:
        return 0.0
    return (date - now).total_seconds() if date.tzinfo is not None else 0.0


def moment(text: str) -> float | None:
    """Return a moment in seconds since 1970, from seconds or milliseconds; `None` for a small number or no number."""
    number = plain_wait(text)
    if number is None or number < 1e9:
        return None
    return number / 1000 if number > 1e11 else number


def wait_in_text(text: str) -> float | None:
    """Return the seconds of "Please try again in 6.5s" and the like; inside a stream there are no headers."""
    matched = _WAIT_IN_TEXT.search(text)
    if matched is None:
        return None
    return float(matched[1]) if matched[1] else duration(matched[2])
