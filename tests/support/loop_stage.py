"""What a property test of a loop thread needs for one example, and the next example can use again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from sluice.service.concurrency.event_loop_thread import LoopState, LoopThread

# Seconds for a loop or a thread to do what it should. A failing example waits for it while it is shrunk.
WITHIN: Final = 2.0


class LoopStage:
    """A loop, unless an example has ended it, and two threads. A context manager.

    Attributes:
        reader: A thread that reads.
        closer: A thread that closes.
        died: Set when the loop has failed.
    """

    def __init__(self) -> None:
        self.reader = ThreadPoolExecutor(1, "reader")
        self.closer = ThreadPoolExecutor(1, "closer")
        self.died = threading.Event()
        self._loop: LoopThread | None = None

    def running_loop(self) -> LoopThread:
        """Return a loop that runs: the last one, or a new one in its place."""
        if self._loop is None or self._loop.health().state is not LoopState.RUNNING:
            self._close_loop()
            self.died.clear()
            self._loop = LoopThread("stage", stuck_after=60.0, on_failure=lambda _: self.died.set())
            self._loop.start()
        return self._loop

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reader.shutdown()
        self.closer.shutdown()
        self._close_loop()

    def _close_loop(self) -> None:
        if self._loop is not None:
            assert self._loop.close(WITHIN)
