"""The store of one process, opened by the first call that needs it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..runs.stores.base import RunStore, StoreUnavailable

logger = logging.getLogger("sluice.store")

T = TypeVar("T")

# Seconds without another try after the store could not be opened.
RETRY_OPEN = 1.0


class LazyStore:
    """A store that opens itself. For the loop's thread."""

    def __init__(
        self, store: RunStore | None, on_ring: Callable[[str], None], on_open: Callable[[RunStore], None]
    ) -> None:
        """Take a store, and open nothing.

        Args:
            store: The store; None where runs are not kept, and nothing may be called.
            on_ring: Called with the id of a watched run that has changed.
            on_open: Called with the store when it has been opened.
        """
        self.inner = store
        self.is_open = False
        self._on_ring = on_ring
        self._on_open = on_open
        self._is_closed = False
        self._opening: asyncio.Lock | None = None
        self._failed_at = 0.0

    async def get(self) -> RunStore:
        """Return the store, open.

        Raises:
            StoreUnavailable: It cannot be opened, could not a moment ago, or is closed.
        """
        assert self.inner is not None, "runs are not kept"
        if not self.is_open:
            if self._opening is None:
                self._opening = asyncio.Lock()
            async with self._opening:
                if not self.is_open:
                    await self._open(self.inner)
        return self.inner

    async def call(self, function: Callable[[RunStore], Coroutine[Any, Any, T]]) -> T:
        """Return what a function returns that is called with the open store.

        Raises:
            StoreUnavailable: As `get`, and as the function.
        """
        return await function(await self.get())

    async def _open(self, store: RunStore) -> None:
        self._refuse_if_closed()
        now = asyncio.get_running_loop().time
        if self._failed_at and now() - self._failed_at < RETRY_OPEN:
            raise StoreUnavailable("the store could not be opened a moment ago")
        try:
            await store.open(self._on_ring)
        except StoreUnavailable as error:
            # Once: each request may try again.
            level = logging.DEBUG if self._failed_at else logging.WARNING
            logger.log(level, "the store of runs cannot be opened: %s", error)
            self._failed_at = now()
            raise
        self._failed_at = 0.0
        if self._is_closed:
            await store.close()
            self._refuse_if_closed()
        self._on_open(store)
        self.is_open = True

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("this process ends, and has closed the store")

    def take(self) -> RunStore | None:
        """Refuse all further calls; return the store where it is open. The caller closes it."""
        was_open, self.is_open, self._is_closed = self.is_open, False, True
        return self.inner if was_open else None
