"""The crossing: any async iterator, running on a loop thread, read by a synchronous thread.

General: it knows nothing of chat. This is the cure for ``TypeError: 'async_generator' object is not iterable``
in any Flask view:

    with Bridge(loop, items()) as batches:
        for batch in batches:
            ...

What it promises, at any interleaving of put, take, close, stop, shutdown and the loop's death
(``tests/unit/service/concurrency/test_bridge_properties.py`` states it as properties):

- the reader gets a prefix of the items, in order, none twice; all of them if the source ended by itself;
- what had crossed before the source failed is read before the reader sees the failure;
- after ``close`` the source's own clean-up has run; or its time was up, or the loop is gone or stuck, and the log
  says so;
- a reader never waits for ever: every end, the loop's death included, releases it.

Waking the reader's thread for an item costs more than all else that is done for it: two context switches, and a
turn at the interpreter's lock. Where the reader would only pass the item on to something that need not block, such
as a socket's buffer, ``divert`` gives that outlet to the loop's thread, and the reader is woken when the outlet is
full, for ticks and at the end. The queue is then the way for what the outlet does not take, with all of the
promises above. In the same way ``offer`` spares a source that waits from being woken for each item.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import AsyncIterable, Callable, Iterator
from concurrent import futures
from time import monotonic
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import janus

from .event_loop_thread import LoopThread, LoopUnavailable

T = TypeVar("T")

logger = logging.getLogger("sluice.bridge")

# Items of one model answer are a few dozen bytes: 64 of them smooth over a reader that is briefly late, and a
# reader that stopped holds its model back after about a second of text.
CAPACITY = 64


class SourceCancelled(RuntimeError):
    """The source was cancelled by something other than the bridge's owner, such as the loop's closing."""


class Bridge(Generic[T]):
    """A blocking iterator of batches over an async iterator that runs on a ``LoopThread``.

    Each batch is a list: the item that was waited for, and all that had arrived with it. An empty list is a
    tick: ``tick`` seconds went by without an item. One thread reads; any thread may stop or close.
    """

    def __init__(
        self,
        loop: LoopThread,
        source: AsyncIterable[T] | Callable[[Callable[[T], bool]], AsyncIterable[T]],
        *,
        capacity: int = CAPACITY,
        tick: float | None = None,
        close_timeout: float = 5.0,
    ) -> None:
        """Start running ``source`` on the loop at once.

        Args:
            loop: A started loop thread.
            source: What to run. If its iterator has ``aclose``, as async generators do, that is awaited on the
                loop at the end, however it ends, even before its first step. Or a function that makes one: it is
                given ``offer`` (see there), and called at once.
            capacity: How many items may wait to be read; the source is held back beyond that.
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
        # janus 2 needs no running loop for this, which saves a round trip to the loop's thread.
        self._queue: janus.Queue[T] = janus.Queue(capacity)
        # The queue and its two ends hold each other: the cycle collector frees them (docs/decisions/0060).
        self._taking, self._putting = self._queue.sync_q, self._queue.async_q
        self._outlet: Callable[[T], T | None] | None = None
        #: Held by whoever decides between queue and outlet, and while the outlet works.
        self._turn = threading.Lock()
        # True only while the reader waits in `take`, with nothing queued, nothing on its way into the queue and
        # nothing in its own hands. So an item that goes to the outlet then overtakes no other.
        self._outlet_free = False
        #: Whether the source has an item in hand that the full queue does not take yet.
        self._held = False
        self._diverted_at = -math.inf
        self._lock = threading.Lock()
        self._task: asyncio.Task[Any] | None = None
        self._stopped = False
        self._closed = False
        self._stop_error: BaseException | None = None
        items = source if isinstance(source, AsyncIterable) or not callable(source) else source(self.offer)
        # The coroutine's, and not kept here: it may hold `offer`, and so this.
        self._future = loop.submit(self._pump(items))
        # The future ends in every case: source ended, failed or cancelled, loop closed, dead or stuck.
        # So this one line releases the reader in every case.
        # It holds the queue and not the bridge, which holds the future: no cycle that only the collector could free.
        queue = self._queue
        self._future.add_done_callback(lambda _: queue.shutdown())

    # ------------------------------------------------------------------ the reader's side

    def take(self, timeout: float | None = None) -> list[T] | None:
        """Wait for an item; return it with all that wait behind it. For the reader's thread.

        Args:
            timeout: Seconds to wait. ``None``: until there is an item or an end.

        Returns:
            At least one item; ``[]`` when ``timeout`` went by without one, here or at the outlet; ``None`` at
            the end of the source, after ``close`` and after ``stop`` without an error.

        Raises:
            Exception: Whatever ended the source: its own error, the error given to ``stop``,
                ``LoopUnavailable`` when the loop died or was stuck, ``SourceCancelled``. Every item that
                crossed before it has been returned by then.
        """
        items = self._taking
        patience = timeout
        while True:
            try:
                batch = [self._wait(patience)]
                break
            except janus.SyncQueueEmpty:
                assert timeout is not None
                # Silence begins with the last item, also with one that the outlet took meanwhile.
                patience = self._diverted_at + timeout - monotonic()
                if patience <= 0.0:
                    return []
            except janus.SyncQueueShutDown:
                self._raise_failure()
                return None
        try:
            # The bound matters: a source that is faster than its reader would keep this loop going for ever.
            while len(batch) < self._capacity:
                batch.append(items.get_nowait())
        except (janus.SyncQueueEmpty, janus.SyncQueueShutDown):
            # Shut down in here means only that nothing more will come. What was taken is still returned; the
            # next call meets the end again.
            return batch
        return batch

    def _wait(self, timeout: float | None) -> T:
        """Get the next item from the queue; meanwhile the loop may use the outlet."""
        if self._outlet is None:
            return self._taking.get(timeout=timeout)
        with self._turn:
            self._outlet_free = not self._held and self._taking.qsize() == 0
        try:
            return self._taking.get(timeout=timeout)
        finally:
            with self._turn:
                self._outlet_free = False

    def divert(self, outlet: Callable[[T], T | None]) -> None:
        """From now on hand items to ``outlet`` on the loop's thread, whenever no order is broken by it.

        That is while the reader waits in ``take`` and nothing is queued. The reader and the outlet never work at the
        same time, and what one does the other sees. For the reader's thread.

        Args:
            outlet: Takes an item without blocking and returns ``None``; or returns what is to cross to the reader in
                its place, because the reader must go on: the item itself, or what is left of it. It must not raise:
                what it raises ends the source, as if the source had raised it.
        """
        self._outlet = outlet

    def _raise_failure(self) -> None:
        if self._closed:
            return
        if self._stopped:
            if self._stop_error is not None:
                raise self._stop_error
            return
        # Not stopped, so it was the future's end that shut the queue: this does not wait.
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
        """End the source soon, without waiting. Any thread may call it, the loop's too.

        The first end counts: a source that has ended by itself, or was stopped before, keeps its outcome.

        Args:
            error: What the reader gets, after the items that have crossed. ``None``: a plain end.
        """
        with self._lock:
            if self._stopped or self._future.done():
                return
            self._stop_error = error
            self._stopped = True
        # The reader is released now, not when the source's clean-up is over.
        self._queue.shutdown()
        try:
            self._loop.call_soon(self._cancel)
        except LoopUnavailable:
            logger.debug("the loop is gone, and the source with it")

    def close(self) -> None:
        """Drop what was not read, cancel the source, wait for its clean-up. Closing twice is harmless.

        Waits at most ``close_timeout`` seconds; a source that needs longer is left to itself with a line in
        the log. Any thread but the loop's may call it.

        Raises:
            WrongThread: Called on the loop's own thread, where the clean-up could never happen.
        """
        self._loop.refuse_own_thread("close()")
        self._closed = True
        self.stop()
        self._queue.close()
        with self._turn:
            self._outlet_free = False
            # It is the owner's, and would hold the owner, who holds this.
            self._outlet = None
        _, late = futures.wait([self._future], self._close_timeout)
        if late:
            logger.warning("a source did not end within %s s of its cancellation", self._close_timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "ended" if self._future.done() else "stopping" if self._stopped else "running"
        outlet = ", outlet open" if self._outlet_free else ""
        return f"<Bridge {state}, {self._taking.qsize()} of {self._capacity} waiting{outlet}>"

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
                # Stopped before the first step: cancelling would have found no task yet.
                return
            async for item in iterator:
                try:
                    if not self.offer(item):
                        await queue.put(item)
                        self._held = False
                except janus.AsyncQueueShutDown:
                    # Stopped while an item was in hand: nobody will read it.
                    return
        finally:
            # From here on a stop has nothing to cancel but the clean-up itself.
            self._task = None
            aclose = getattr(iterator, "aclose", None)
            if aclose is not None:
                await aclose()

    def offer(self, item: T) -> bool:
        """Hand an item over, to the outlet or the queue. On the loop's thread.

        For a source that waits, this is the way past its own iteration: waking its task, only to have it yield what
        has come, takes a turn of the loop and of each coroutine above it. Whoever brings the item may offer it, as
        long as the iteration waits for its next item: whatever was yielded before has been handed over then.

        Args:
            item: What comes behind all that the source has yielded.

        Returns:
            Whether it was handed over. If not, because there is no room or nobody reads any more, the source is to
            yield it as its next item: there it is held back, or ended.

        Raises:
            Exception: Whatever the outlet raised; the source must end with it.
        """
        with self._turn:
            if self._outlet_free:
                assert self._outlet is not None
                rest = self._outlet(item)
                self._diverted_at = monotonic()
                if rest is None:
                    return True
                item = rest
                self._outlet_free = False
            try:
                self._putting.put_nowait(item)
            except janus.AsyncQueueFull:
                self._held = True
                return False
            except janus.AsyncQueueShutDown:
                return False
            self._held = False
            return True
