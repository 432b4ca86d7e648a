"""Tasks that outlive the request that has begun them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


def start_background_task(coroutine: Coroutine[Any, Any, T], name: str | None = None) -> asyncio.Task[T]:
    """Run a coroutine in a context of its own. On a loop's thread.

    A copy of the caller's context would keep its web request alive, and write the request's id into each line of the
    task's log.

    Args:
        coroutine: What to run.
        name: The task's name; None for a number.
    """
    return asyncio.get_running_loop().create_task(coroutine, name=name, context=Context())
