"""A person's decisions about calls of a stored run: made on any worker, kept as marks of the run in the store."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeAlias

from ..runs.stores.base import RunStore, StoreUnavailable
from ..tools.consent import CannotAsk

# Values of a call's mark.
ASKED, ALLOWED, DENIED = "asked", "allowed", "denied"
#: Ids that a call can have.
CALL_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
# Seconds between two looks at a decision that another worker may have taken. A person does not notice it, and it is
# one read of the store for each call that waits.
POLL_INTERVAL = 0.5


#: Calls a function with the open store.
WithStore: TypeAlias = Callable[[Callable[[RunStore], Coroutine[Any, Any, Any]]], Coroutine[Any, Any, Any]]


class StoredConsents:
    """The decisions about one run (`ConsentDesk`). For the loop's thread; any thread may set `run_id`."""

    def __init__(self, with_store: WithStore) -> None:
        """Take how to reach the store."""
        #: The run's id in the store; empty where it is not kept.
        self.run_id = ""
        self._with_store = with_store
        self._woken = asyncio.Event()

    async def ask(self, call_id: str) -> None:
        """See `ConsentDesk.ask`."""
        try:
            before = await self._mark(call_id, "", ASKED)
        except StoreUnavailable as error:
            raise CannotAsk(str(error)) from error
        if before is None:
            raise CannotAsk("the store does not know the run")

    async def wait(self, call_id: str, seconds: float) -> bool | None:
        """See `ConsentDesk.wait`."""
        now = asyncio.get_running_loop().time
        deadline = now() + seconds
        while (left := deadline - now()) > 0:
            # Before the look: what is decided after it sets this one.
            woken = self._woken
            with suppress(StoreUnavailable):
                value = await self._with_store(lambda store: store.find_mark(self.run_id, call_id))
                if value in (ALLOWED, DENIED):
                    return bool(value == ALLOWED)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(POLL_INTERVAL, left)):
                    await woken.wait()
        before = None
        with suppress(StoreUnavailable):
            # A decision that comes at the same moment is the first one, or is refused.
            before = await self._mark(call_id, ASKED, DENIED)
        return None if before not in (ALLOWED, DENIED) else before == ALLOWED

    def wake(self) -> None:
        """Look at once whether a call was decided."""
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()

    async def _mark(self, call_id: str, expected: str, value: str) -> str | None:
        found: str | None = await self._with_store(lambda store: store.mark(self.run_id, call_id, expected, value))
        return found
