"""Read any async iterator, which runs on a loop thread, from a synchronous thread.

For any Flask view that fails with ``TypeError: 'async_generator' object is not iterable``:

    with Bridge(loop, items()) as batches:
        for batch in batches:
            ...

These hold at any interleaving of put, take, close, stop, shutdown and the loop's death
(``tests/unit/service/concurrency/test_bridge_properties.py``):

- The reader gets a prefix of the items, in order, none twice; all of them if the source ended by itself.
- Items that were queued before the source failed are read before the failure.
- After ``close`` the source's clean-up has run. Or its time is over, or the loop is gone or stuck, and the log says
  so.
- Every end releases a reader that waits, also the loop's death.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterable, Iterator
from concurrent import futures
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import janus

from .event_loop_thread import LoopThread, LoopUnavailable

T = TypeVar("T")

logger = logging.getLogger("sluice.bridge")

# Items. Enough for a reader that is briefly late; a reader that stops holds its source back after about a second.
CAPACITY = 64


class SourceCancelled(RuntimeError):
    """The source was cancelled otherwise than by `stop` or `close`, such as by the end of its loop."""


class Bridge(Generic[T]):
    """A blocking iterator of batches over an async iterator that runs on a ``LoopThread``.

    A batch is a list of the items that wait, at least one. An empty list is a tick: no item came for ``tick``
    seconds. One thread reads. Any thread may call ``stop``; any but the loop's may call ``close``.
    """

    def __init__(
        self,
        loop: LoopThread,
        source: AsyncIterable[T],
        *,
        capacity: int = CAPACITY,
        tick: float | None = None,
        close_timeout: float = 5.0,
    ) -> None:
        """Start ``source`` on the loop.

        Args:
            loop: A started loop thread.
            source: What to run. If its iterator has ``aclose``, as async generators do, that is awaited on the
                loop at every end, even before its first step.
            capacity: How many items may wait to be read; then the source waits.
            tick: Seconds without an item after which iteration yields an empty list. ``None``: never.
            close_timeout: Seconds that ``close`` waits for the source's clean-up.

        Raises:
            LoopUnavailable: The loop does not run.
            WrongThread: Called on the loop's own thread, which must not block.
        """
        self._loop = loop
        self._capacity = capacity
        self._tick = tick
        self._close_timeout = close_timeout
        # janus 2 needs no running loop here.
        self._queue: janus.Queue[T] = janus.Queue(capacity)
        # The queue and its two ends hold each other: the cycle collector frees them (docs/decisions/0060).
        self._taking, self._putting = self._queue.sync_q, self._queue.async_q
        self._lock = threading.Lock()
        self._task: asyncio.Task[Any] | None = None
        self._stopped = False
        self._closed = False
        self._stop_error: BaseException | None = None
        self._future = loop.submit(self._pump(source))
        # The future ends in every case: source ended, failed or cancelled, loop closed, dead or stuck. So this
        # releases the reader in every case. The callback holds the queue and not the bridge, which holds the future:
        # no cycle.
        queue = self._queue
        self._future.add_done_callback(lambda _: queue.shutdown())

    # ------------------------------------------------------------------ the reader's side

    def take(self, timeout: float | None = None) -> list[T] | None:
        """Wait for an item and return it with those that wait behind it. For the reader's thread.

        Args:
            timeout: Seconds to wait. ``None``: until there is an item or an end.

        Returns:
            At least one item; ``[]`` where none came within ``timeout``; ``None`` at the end
            of the source, after ``close``, and after ``stop`` without an error.

        Raises:
            Exception: What ended the source: its own error, the error given to ``stop``, ``LoopUnavailable`` where
                the loop died or was stuck, ``SourceCancelled``. All items queued before have been returned.
        """
        items = self._taking
        try:
            batch = [items.get(timeout=timeout)]
        except janus.SyncQueueEmpty:
            return []
        except janus.SyncQueueShutDown:
            self._raise_failure()
            return None
        try:
            # Bounded: a source that is faster than its reader would keep this loop busy without end.
            while len(batch) < self._capacity:
                batch.append(items.get_nowait())
        except (janus.SyncQueueEmpty, janus.SyncQueueShutDown):
            # Shut down in here: the items are returned, and the next call meets the end again.
            return batch
        return batch

    def _raise_failure(self) -> None:
        if self._closed:
            return
        if self._stopped:
            if self._stop_error is not None:
                raise self._stop_error
            return
        # Not stopped, so the future has ended and shut the queue: this does not wait.
        try:
            self._future.result()
        except futures.CancelledError:
            raise SourceCancelled("the source was cancelled before its end") from None

    def __iter__(self) -> Iterator[list[T]]:
        return self

    def __next__(self) -> list[T]:
        batch = self.take(self._tick)
        if batch is None:
            raise StopIteration
        return batch

    # ------------------------------------------------------------------ ending it

    def stop(self, error: BaseException | None = None) -> None:
        """Cancel the source, without waiting for it. Any thread may call it, the loop's too.

        A source that has ended, or was stopped before, keeps its outcome.

        Args:
            error: What ``take`` raises after the items that are queued. ``None``: the iteration ends without an
                error.
        """
        with self._lock:
            if self._stopped or self._future.done():
                return
            self._stop_error = error
            self._stopped = True
        # Releases the reader before the source's clean-up has run.
        self._queue.shutdown()
        try:
            self._loop.call_soon(self._cancel)
        except LoopUnavailable:
            logger.debug("the loop is gone, and the source with it")

    def close(self) -> None:
        """Drop the items that wait, cancel the source, wait for its clean-up. Closing twice is harmless.

        Waits at most ``close_timeout`` seconds. A source that takes longer goes on, with a warning in the log. Any
        thread but the loop's may call it.

        Raises:
            WrongThread: Called on the loop's own thread, where the clean-up could never run.
        """
        self._loop.refuse_own_thread("close()")
        self._closed = True
        self.stop()
        self._queue.close()
        _, late = futures.wait([self._future], self._close_timeout)
        if late:
            logger.warning("a source did not end within %s s of its cancellation, and goes on", self._close_timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "ended" if self._future.done() else "stopping" if self._stopped else "running"
        return f"<Bridge {state}, {self._taking.qsize()} of {self._capacity} waiting>"

    # ------------------------------------------------------------------ the loop's side

    def _cancel(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()

    async def _pump(self, source: AsyncIterable[T]) -> None:
        self._task = asyncio.current_task()
        queue = self._putting
        iterator = aiter(source)
        try:
            if self._stopped:
                # Stopped before the first step, when there was no task to cancel.
                return
            async for item in iterator:
                try:
                    try:
                        queue.put_nowait(item)
                    except janus.AsyncQueueFull:
                        await queue.put(item)
                except janus.AsyncQueueShutDown:
                    # Stopped while the source held an item: nobody will read it.
                    return
        finally:
            # From here on a stop would cancel the clean-up.
            self._task = None
            aclose = getattr(iterator, "aclose", None)
            if aclose is not None:
                await aclose()
