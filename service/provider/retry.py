"""Ask a provider again where that may help, and only before the first token (docs/decisions/0009-own-retry.md)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from ..errors import UpstreamError
from ..runs.log import RunLog

logger = logging.getLogger("sluice.chat")

# Seconds before the second attempt: long enough for the neighbours of a restarting server to take over, short enough
# for a waiting person. It doubles with each attempt, and a random factor spreads requests that failed together.
RETRY_PAUSE = 0.25
# A provider that asks for a longer pause is not waited for: the client gets its `Retry-After`.
RETRY_PAUSE_MOST = 5.0

#: Makes one attempt, given the first-token deadline on the loop's clock.
Attempt = Callable[[float], Awaitable[None]]


async def stream_with_retries(
    attempt: Attempt, log: RunLog, *, max_retries: int, first_token_timeout: float, on_retry: Callable[[str], None]
) -> None:
    """Make attempts until one succeeds. Runs on the loop.

    No attempt is made after the first text or reasoning: what was shown is never repeated.

    Args:
        attempt: Makes an attempt, which appends to the log, and raises `UpstreamError` where it fails.
        log: Says whether anything was shown.
        max_retries: The most attempts after the first one.
        first_token_timeout: Seconds for all attempts and pauses up to the first token.
        on_retry: Called with the failure's code before each further attempt.

    Raises:
        UpstreamError: The last attempt's failure.

    Cancelling cancels the attempt that runs.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + first_token_timeout
    for number in range(1, max_retries + 2):
        try:
            await attempt(deadline)
            return
        except UpstreamError as error:
            pause = max(RETRY_PAUSE * 2 ** (number - 1) * random.uniform(0.5, 1.5), error.retry_after or 0.0)
            if (
                log.last_number
                or not error.retryable
                or number > max_retries
                or pause > RETRY_PAUSE_MOST
                or now() + pause >= deadline
            ):
                raise
            logger.warning(
                "attempt %d of %d failed, another one in %.2f s: %s", number, max_retries + 1, pause, error
            )
            on_retry(error.code)
        await asyncio.sleep(pause)
