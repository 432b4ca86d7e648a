"""Ask again where that may help, another provider first, and only before the first token.

docs/decisions/0009-own-retry.md and 0089-fail-over.md say why.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence

from ..errors import UpstreamError
from ..runs.log import EventSink

logger = logging.getLogger("sluice.chat")

# Seconds before the second attempt: long enough for the neighbours of a restarting server to take over, short enough
# for a waiting person. It doubles with each attempt, and a random factor spreads requests that failed together.
RETRY_PAUSE = 0.25
# A provider that asks for a longer pause is not waited for: the client gets its `Retry-After`.
RETRY_PAUSE_MOST = 5.0

#: Makes one attempt at a provider, given the first-token deadline on the loop's clock.
Attempt = Callable[[float], Awaitable[None]]


async def stream_with_retries(
    attempts: Sequence[Attempt],
    log: EventSink,
    *,
    max_retries: int,
    first_token_timeout: float,
    on_retry: Callable[[str], None],
) -> None:
    """Make attempts until one succeeds. Runs on the loop.

    Each provider is asked once, one right after the other. Then they are asked again in the same order, with pauses.
    No attempt is made after the first text or reasoning: what was shown is never repeated.

    Args:
        attempts: For each provider, in order: makes an attempt, which appends to the log, and raises `UpstreamError`
            where it fails.
        log: Says whether anything was shown.
        max_retries: The most attempts after each provider was asked once.
        first_token_timeout: Seconds for all attempts and pauses up to the first token. Providers that were not asked
            yet get equal parts of what is left of it.
        on_retry: Called with the failure's code before each further attempt.

    Raises:
        UpstreamError: The last attempt's failure.

    Cancelling cancels the attempt that runs.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + first_token_timeout
    count = len(attempts)
    most = count + max_retries
    # What each provider has asked to wait.
    waits = [0.0] * count
    for number in range(1, most + 1):
        # A provider that accepts a request and stays silent would leave no time for the others.
        unasked = count - number + 1
        until = deadline if unasked <= 1 else now() + (deadline - now()) / unasked
        try:
            await attempts[(number - 1) % count](until)
            return
        except UpstreamError as error:
            waits[(number - 1) % count] = error.retry_after or 0.0
            pause = 0.0
            if number >= count:
                backoff = RETRY_PAUSE * 2 ** (number // count - 1) * random.uniform(0.5, 1.5)
                pause = max(backoff, waits[number % count])
            if (
                log.last_number
                or not error.retryable
                or number >= most
                or pause > RETRY_PAUSE_MOST
                or now() + pause >= deadline
            ):
                raise
            logger.warning("attempt %d of %d failed, another one in %.2f s: %s", number, most, pause, error)
            on_retry(error.code)
        if pause:
            await asyncio.sleep(pause)
