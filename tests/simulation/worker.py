"""A simulated worker process with the real stored runs in it: its handlers are greenlets, its runs are scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

from sluice.service.concurrency.event_loop_thread import LoopHealth, LoopState
from sluice.service.errors import InternalError, Interrupted, ServiceError
from sluice.service.events.events import Failed, Finished, Text
from sluice.service.runs.log import RunLog
from sluice.service.settings.records.storage import StorageSettings
from sluice.service.stored_runs.environment import Environment
from sluice.service.stored_runs.stored_runs import StoredRuns
from sluice.service.stored_runs.subscription import StoredSubscription

from .connection import Connection, Stream
from .ledger import Ledger, ProviderCall, text_of
from .network import Network, SimulatedStore
from .plan import RunPlan
from .virtual_loop import Process, VirtualLoop

T = TypeVar("T")

#: The id of the run that a handler begins.
RUN_ID: ContextVar[str] = ContextVar("RUN_ID")
#: Seconds since 1970 at which a simulation begins.
EPOCH = 1_800_000_000.0


class HandlerFuture:
    """The outcome of a coroutine, for which a handler's greenlet waits (`concurrent.futures.Future`)."""

    def __init__(self, loop: VirtualLoop, task: asyncio.Task[Any]) -> None:
        self._loop = loop
        self._task = task

    def result(self, timeout: float | None = None) -> Any:
        if not self._task.done():
            handler, is_waiting = getcurrent(), True
            assert handler.parent is not None, "the loop's thread waits for itself"

            def go_on(*_: object) -> None:
                nonlocal is_waiting
                if is_waiting:
                    is_waiting = False
                    handler.switch()

            self._task.add_done_callback(go_on)
            timer = None if timeout is None else self._loop.call_later(timeout, go_on)
            handler.parent.switch()
            if timer is not None:
                timer.cancel()
            if not self._task.done():
                raise TimeoutError
        return self._task.result()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        return self._task.exception()

    def done(self) -> bool:
        return self._task.done()

    def cancelled(self) -> bool:
        return self._task.cancelled()

    def cancel(self) -> bool:
        if self._task.done():
            return False
        self._loop.call_soon(self._task.cancel)
        return True

    def add_done_callback(self, function: Callable[[Any], object]) -> None:
        self._task.add_done_callback(lambda _: function(self))


class SimulatedLoopThread:
    """The loop thread of a process (`LoopThread`)."""

    def __init__(self, loop: VirtualLoop, process: Process) -> None:
        self._loop = loop
        self._process = process

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> HandlerFuture:
        return HandlerFuture(self._loop, self._loop.create_task(coroutine, context=self._process.context.copy()))

    def call_soon(self, callback: Callable[..., object], *args: object) -> None:
        self._loop.call_soon(callback, *args, context=self._process.context.copy())

    def refuse_own_thread(self, what: str) -> None:
        """Do nothing: a handler is a greenlet."""

    def health(self) -> LoopHealth:
        return LoopHealth(LoopState.RUNNING, 0.0, 0)


class SimulatedExecutor(Executor):
    """Threads of a process: what they do is done a little later."""

    def __init__(self, loop: SimulatedLoopThread) -> None:
        self._loop = loop

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:  # type: ignore[override]
        future: Future[T] = Future()

        def run() -> None:
            future.set_result(function(*args, **kwargs))

        self._loop.call_soon(run)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing."""


class SimulatedRun:
    """A run whose model is a plan (`Run`)."""

    is_stored = True

    def __init__(self, worker: Worker, run_id: str, plan: RunPlan) -> None:
        self.log = RunLog(keeps_all=True)
        self.has_delivered_end = False
        self.byte_count = 0
        self.is_closed = False
        self.abandoned_at: float | None = None
        self._worker = worker
        self._run_id = run_id
        self._plan = plan
        self._task: asyncio.Task[Any] | None = None
        self._future = worker.thread.submit(self._produce())

    def wait_accepted(self, timeout: float) -> bool:
        return True

    def stop(self, error: ServiceError) -> None:
        if getattr(error, "reason", "") == "abandoned" and not self.log.has_ended:
            self._worker.on_abandoned(self._run_id)
        self._worker.thread.call_soon(self._end_with, error)

    def disconnect(self) -> None:
        self._worker.thread.call_soon(self._end_with, None)

    def close(self) -> None:
        self.is_closed = True
        if not self._future.done():
            self._worker.thread.call_soon(self._end_with, None)

    async def _produce(self) -> None:
        self._task = asyncio.current_task()
        loop = self._worker.loop
        call = ProviderCall(self._run_id, self._worker.process.name, loop.time())
        self._worker.ledger.open_call(call)
        failed: BaseException | None = None
        try:
            if not self.log.has_ended:
                await self._answer()
        except asyncio.CancelledError:
            failed = InternalError("cancelled")
        finally:
            if call.closed is None:
                call.closed = loop.time()
        self._task = None
        if not self.log.has_ended:
            self.log.append([Failed(failed or InternalError("the plan has ended"))])

    async def _answer(self) -> None:
        number = 0
        for pause, count in self._plan.steps:
            await asyncio.sleep(pause)
            events = [Text(text_of(self._run_id, number + each), 1) for each in range(1, count + 1)]
            number += count
            self.byte_count += sum(len(event.text) for event in events)
            self.log.append(events)
        if self._plan.fails:
            self.log.append([Failed(InternalError("as planned"))])
        else:
            self.log.append([Finished("stop", None)])

    def _end_with(self, error: ServiceError | None) -> None:
        if error is None:
            self.log.close()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        if error is not None and not self.log.has_ended:
            self.log.append([Failed(error)])


class Worker:
    """One process that serves clients."""

    def __init__(
        self, loop: VirtualLoop, network: Network, ledger: Ledger, process: Process, settings: StorageSettings,
        skew: float, make_id: Callable[[], str], on_abandoned: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.loop = loop
        self.network = network
        self.ledger = ledger
        self.process = process
        self.on_abandoned = on_abandoned
        self.thread = SimulatedLoopThread(loop, process)
        self.runs = StoredRuns(
            settings,
            self.thread,  # type: ignore[arg-type]
            15.0,
            Environment(
                clock=lambda: EPOCH + loop.time() + skew,
                make_store=lambda _: SimulatedStore(network, process),
                make_executor=lambda: SimulatedExecutor(self.thread),
                make_id=make_id,
            ),
        )
        #: The streams to clients that are open.
        self.streams: dict[Stream, None] = {}
        #: Handlers that wait, and whom they answer.
        self._handlers: dict[greenlet, None] = {}
        self._replies: dict[asyncio.Future[Any], None] = {}
        self._connections: dict[Connection, None] = {}

    # ------------------------------------------------------------------ what clients do

    async def ask(self, handler: Callable[[], T]) -> T:
        """Have a handler called, in the process, for a client.

        Raises:
            ConnectionError: The process is dead.
        """
        if self.process.is_dead:
            raise ConnectionRefusedError
        reply: asyncio.Future[T] = self.loop.create_future()
        self._replies[reply] = None
        self.loop.call_soon(self._handle, handler, reply, context=self.process.context.copy())
        try:
            async with asyncio.timeout(30.0):
                return await reply
        except TimeoutError:
            raise ConnectionAbortedError from None
        finally:
            self._replies.pop(reply, None)

    def serve(self, subscription: StoredSubscription, connection: Connection) -> str:
        """Write a run to a client. For a handler."""
        self._connections[connection] = None
        stream = Stream(subscription, connection, self)
        self.streams[stream] = None
        self.thread.call_soon(stream.follow)
        return subscription.run_id

    def forget(self, stream: Stream) -> None:
        self.ledger.attended[stream.subscription.run_id] = self.loop.time()
        self.streams.pop(stream, None)
        self._connections.pop(stream.connection, None)

    def _handle(self, handler: Callable[[], T], reply: asyncio.Future[T]) -> None:
        def run() -> None:
            try:
                result = handler()
            except Exception as error:
                if not reply.done():
                    reply.set_exception(error)
            else:
                if not reply.done():
                    reply.set_result(result)
            finally:
                self._handlers.pop(current, None)

        current = greenlet(run)
        current.gr_context = self.process.context.copy()
        self._handlers[current] = None
        current.switch()

    # ------------------------------------------------------------------ what happens to it

    async def drain(self) -> None:
        """End all runs, and write their ends, as `SIGTERM` does (`ChatService.stop`)."""
        if not self.runs.registry.store.is_open:
            return
        self.runs.release_readers()
        for stored in list(self.runs.registry.runs.values()):
            stored.run.stop(Interrupted("stopping"))
        task = self.loop.create_task(self.runs.aclose(), context=self.process.context.copy())
        await asyncio.wait([task], timeout=5.0)
        if task.done() and not task.cancelled():
            task.result()

    def kill(self, keeps_sent: bool) -> None:
        """End the process as `kill -9` does: nothing of it runs again.

        Args:
            keeps_sent: Whether what it has sent last still arrives.
        """
        self.process.is_dead = True
        now = self.loop.time()
        for calls in self.ledger.calls.values():
            for call in calls:
                if call.worker == self.process.name and call.closed is None:
                    call.closed, call.is_killed = now, True
        for reply in list(self._replies):
            if not reply.done():
                reply.set_exception(ConnectionResetError())
        for connection in list(self._connections):
            connection.break_off(keeps_sent)

    def bury(self) -> None:
        """Free what a process that is dead has left. After the simulation."""
        self.process.is_dead = True
        for handler in list(self._handlers):
            with suppress(Exception):
                handler.throw(GreenletExit)
        self._handlers.clear()
        self._replies.clear()
