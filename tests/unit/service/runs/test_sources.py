"""Whose time is over where an application's own code runs on the loop: its own, or the setting's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from sluice.service import Chat
from sluice.service.chat import CurrentChat
from sluice.service.errors import UpstreamTimeout
from sluice.service.runs.log import RunLog
from sluice.service.runs.sources import stream_items, stream_prepared

Source = Coroutine[Any, Any, None]


async def wait(event: asyncio.Event | None) -> None:
    """Wait for ever, or raise the application's own error."""
    if event is None:
        raise TimeoutError("of the application")
    await event.wait()


def prepared(event: asyncio.Event | None, limit: float) -> Source:
    async def before_model(chat: Chat) -> None:
        await wait(event)

    def unreachable(*_: Any) -> Any:
        raise AssertionError

    return stream_prepared(CurrentChat(Chat((), "m")), before_model, unreachable, limit, RunLog())


def items(event: asyncio.Event | None, limit: float) -> Source:
    async def items() -> AsyncIterator[str]:
        await wait(event)
        yield ""

    return stream_items(items(), limit, RunLog())


@pytest.mark.parametrize("source", [prepared, items])
def test_a_timeout_error_of_the_application_is_not_taken_for_the_limits(
    source: Callable[[asyncio.Event | None, float], Source],
) -> None:
    with pytest.raises(TimeoutError, match="of the application"):
        asyncio.run(source(None, 10.0))
    with pytest.raises(UpstreamTimeout, match="SLUICE_"):
        asyncio.run(source(asyncio.Event(), 0.01))
