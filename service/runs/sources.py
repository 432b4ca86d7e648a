"""Sources of runs besides the model itself: items of an application, and a chat that a hook completes first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TypeVar

from ..chat import BeforeModel, Chat, CurrentChat
from ..errors import ServiceError, UpstreamTimeout
from ..events.events import Finished, Text
from ..events.usage import Usage
from .log import RunLog

# Below the traceback in the log. `current_user` is None there, and `request` raises an exception.
_OF_BEFORE_MODEL = (
    "Raised by the before_model function. It runs on the event loop, without request and application context. "
    "What it needs of `request`, `current_user` or `current_app` should be put into `chat.context` by prepare."
)

T = TypeVar("T")

#: Appends the events of a chat's answer, given its record, the log, and the seconds until the first token, or None
#: for the setting.
StreamChat = Callable[[CurrentChat, RunLog, float | None], Awaitable[None]]


async def stream_prepared(
    current: CurrentChat,
    before_model: BeforeModel,
    stream_chat: StreamChat,
    first_token_timeout: float,
    log: RunLog,
) -> None:
    """Call the hook, then stream the answer to its chat. Runs on the loop.

    Args:
        current: The chat, which the hook may replace.
        before_model: The hook.
        stream_chat: Appends the answer's events.
        first_token_timeout: Seconds until the first token, for the hook and the model together.
        log: Gets the events.

    Raises:
        TypeError: The hook returned something else than a chat.
        UpstreamTimeout: The hook took longer than the time.
        Exception: The hook's, with a note about where it ran; or as `stream_chat`.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + first_token_timeout
    try:
        replaced = await _await_until(
            deadline,
            before_model(current.chat),
            "the before_model function took longer than SLUICE_FIRST_TOKEN_TIMEOUT",
        )
    except ServiceError:
        raise
    except Exception as error:
        error.add_note(_OF_BEFORE_MODEL)
        raise
    if replaced is not None:
        if not isinstance(replaced, Chat):
            raise TypeError(f"before_model returned {type(replaced).__name__}; it should return a Chat or None")
        current.chat = replaced.keep_encoding(current.chat)
    await stream_chat(current, log, deadline - now())


async def stream_items(items: AsyncIterable[str], total_timeout: float, log: RunLog) -> None:
    """Make each item a text event. No tokens are counted. Runs on the loop.

    Args:
        items: Its iterator is closed at the end, if it can be.
        total_timeout: Seconds until its end.
        log: Gets the events.

    Raises:
        UpstreamTimeout: The items did not end within the time.
        Exception: As the items' iterator.
    """
    deadline = asyncio.get_running_loop().time() + total_timeout
    iterator = aiter(items)
    try:
        while True:
            try:
                item = await _await_until(
                    deadline, anext(iterator), "the source did not end within SLUICE_TOTAL_TIMEOUT"
                )
            except StopAsyncIteration:
                break
            log.append([Text(item)])
            await log.wait_room()
    finally:
        aclose = getattr(iterator, "aclose", None)
        if aclose is not None:
            await aclose()
    log.append([Finished("stop", Usage(0, 0, 0))])


async def _await_until(deadline: float, awaitable: Awaitable[T], problem: str) -> T:
    """Return what an application's awaitable returns, if it does so before a time on the loop's clock.

    Its own exceptions are raised as they are, also a `TimeoutError`, which is then no failure of this limit.

    Raises:
        UpstreamTimeout: The time is over. `problem` is its detail.
    """
    try:
        async with asyncio.timeout_at(deadline) as limit:
            return await awaitable
    except TimeoutError:
        if not limit.expired():
            raise
        raise UpstreamTimeout(problem) from None
