"""A test that is a coroutine: run to its end on a loop of its own, within a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


def run(scenario: Callable[[], Awaitable[None]], within: float = 10.0) -> None:
    """Run it; fail after that many seconds."""

    async def bounded() -> None:
        async with asyncio.timeout(within):
            await scenario()

    asyncio.run(bounded())
