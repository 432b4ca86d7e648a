"""The chat service: connects the loop, the provider's client, the limiter, the runs and the metrics."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import threading
import time
import weakref
from collections.abc import AsyncIterable, Callable, Sequence
from contextvars import Context
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .chat import BeforeModel, Chat, CurrentChat
from .concurrency.event_loop_thread import LoopHealth, LoopState, LoopThread, LoopUnavailable
from .concurrency.replaced_threads import refuse_replaced_threads
from .errors import InternalError, Interrupted, Overloaded, ShuttingDown
from .events.events import Custom, Event, Failed, Finished, Reasoning, Text, ToolCall, ToolResult
from .events.joined_answer import join_answer
from .events.tool_uses import ToolUse
from .events.usage import Usage
from .observability.logging import request_id, trace
from .observability.metrics import Metrics
from .observability.resources import NO_DESCRIPTORS, limit_is_near
from .provider.retry import stream_with_retries
from .provider.router import ModelRouter
from .runs.concurrency_limit import ConcurrencyLimiter, Slot
from .runs.log import EventSink
from .runs.run import Run, Source
from .runs.run_end import RunEnd
from .runs.sources import StreamChat, stream_items, stream_prepared
from .runs.subscription import Subscription
from .settings.records.limits import CLOSING_TIME
from .settings.settings import Settings
from .stored_runs.stored_runs import StoredRuns
from .stored_runs.subscription import StoredSubscription
from .tools.consent import ConsentDesk
from .tools.loop import stream_with_tools
from .tools.tool import ToolSet

if TYPE_CHECKING:
    from .demo.server import DemoServer

logger = logging.getLogger("sluice.chat")

# Seconds. Making the client reads certificates from disk and may open the demo model's socket: under a second.
START_TIMEOUT = 10.0
# Seconds for the loop to close connections and end cancelled tasks, together. The end of the watch over clients may
# take another second, and gunicorn kills the worker after `CLOSING_TIME`.
CLOSE_TIMEOUT = CLOSING_TIME - 1.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer."""

    message: str
    reasoning: str
    finish_reason: str
    usage: Usage | None
    #: The calls of tools, with their results.
    tool_calls: Sequence[ToolUse] = ()
    #: The events of the application, such as citations.
    custom_events: Sequence[Custom] = ()


def _make_run_context(run_id: str) -> Context:
    """Return a context for a run's coroutine that has only the ids for the log.

    A copy of the caller's context would keep its web request alive for as long as the answer.
    """
    context = Context()
    context.run(request_id.set, run_id)
    context.run(trace.set, trace.get())
    return context


class ChatService:
    """Answers chats from one loop thread. Any thread but the loop's may call the methods."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings. No thread is started and no socket opened, so that a server may fork afterwards.

        Raises:
            ThreadsReplaced: The process is patched by gevent or eventlet: no chat would ever be answered.
        """
        refuse_replaced_threads()
        self.settings = settings
        self.loop = LoopThread()
        self.limiter = ConcurrencyLimiter(settings.limits.max_streams, settings.limits.max_streams_per_client)
        self.metrics = Metrics(settings.provider.name, settings.server.metrics_directory or None)
        #: The runs that outlive their connection.
        self.stored = StoredRuns(
            settings.storage, self.loop, settings.limits.heartbeat_interval, metrics=self.metrics.stored
        )
        self._model: ModelRouter | None = None
        self._demo: DemoServer | None = None
        self._runs: dict[Run, Slot] = {}
        self._lock = threading.Lock()
        self._finalizer: weakref.finalize[..., ChatService] | None = None
        self._draining = False
        self._stopping = False

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Start the loop and the model client, if they are not running. After a fork: in the child.

        Raises:
            LoopUnavailable: The loop was closed or has died.
            ThreadsReplaced: The process was patched by gevent or eventlet after the service was made.
        """
        # Called for each request, so the common case takes no lock.
        if self._model is not None and self.loop.health().state is LoopState.RUNNING:
            return
        with self._lock:
            if self._model is None or self.loop.health().state is not LoopState.RUNNING:
                self.loop.start()
                self.loop.submit(self._connect()).result(START_TIMEOUT)
                self._close_when_dropped()
                # Opens the files now: later there may be no descriptor.
                self.metrics.write()

    async def _connect(self) -> None:
        providers = self.settings.provider.providers
        if self.settings.provider.is_demo:
            # Here, because aiohttp.web adds a filter to the warnings of the whole process.
            from .demo.server import DemoServer

            self._demo = DemoServer(self.settings.provider.demo_tokens_per_second)
            providers = (dataclasses.replace(providers[0], base_url=await self._demo.start()),)
        model = ModelRouter(self.metrics.attempt_failed)
        await model.add(self.settings, providers)
        self._model = model

    def _close_when_dropped(self) -> None:
        """End the threads and close the connections of a service that nobody holds any more, such as a test's."""
        if self._finalizer is not None:  # that of the parent of this process
            self._finalizer.detach()
        last = partial(_release, self.stored, self._model, self._demo, self.metrics)
        self._finalizer = weakref.finalize(self, self.loop.close_soon, last)
        # A process that ends need not wait for it.
        self._finalizer.atexit = False

    def begin_drain(self, within: float | None = None) -> None:
        """Be not ready from now on; later end open chats with a terminal event and refuse further ones.

        Until then chats are still answered. A draining worker accepts no connections, so these came before the drain,
        and a deploy must not refuse them. Does not wait; calling it twice is harmless.

        Args:
            within: Seconds until open chats are ended. Default: the setting `drain_timeout`.
        """
        seconds = self.settings.limits.drain_timeout if within is None else within
        with self._lock:
            if self._draining:
                return
            self._draining = True
            count = len(self._runs)
        # Before the log, whose filter may raise: no later call would do it.
        try:
            self.loop.call_soon(self._stop_runs_later, seconds)
        except LoopUnavailable:
            logger.debug("the loop does not run: there are no open streams to drain")
        self.stored.release_readers()
        logger.info("draining: %d open streams, which have %g s to end", count, seconds)

    def _stop_runs_later(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._stop_runs, "the drain's time is over")

    def _stop_runs(self, reason: str) -> None:
        with self._lock:
            self._stopping = True
            runs = list(self._runs)
        for run in runs:
            run.stop(Interrupted(reason) if run.is_stored else ShuttingDown(reason))
        if runs:
            logger.warning("%s: %d open streams are stopped", reason, len(runs))

    def close(self) -> bool:
        """Stop every open chat with a terminal event, close connections and end the loop.

        Waits about `CLOSE_TIMEOUT` seconds at most.

        Returns:
            Whether all of it ended in time.

        Raises:
            WrongThread: Called on the loop's own thread.
        """
        deadline = time.monotonic() + CLOSE_TIMEOUT
        with self._lock:
            self._draining = True
        self._stop_runs("the service closes")
        try:
            self.loop.submit(_disconnect(self.stored, self._model, self._demo)).result(CLOSE_TIMEOUT)
        except (LoopUnavailable, TimeoutError) as error:
            # Waiting does not help where the loop is dead or stuck.
            logger.debug("connections to the provider are not closed one by one: %s", error)
            deadline = 0.0
        self.stored.wait_closed(max(0.1, deadline - time.monotonic()))
        # After the last ends of runs.
        self.metrics.close()
        return self.loop.close(max(0.1, deadline - time.monotonic()))

    # ------------------------------------------------------------------ state

    @property
    def draining(self) -> bool:
        """Whether the service is about to end, so that load balancers should send no requests."""
        return self._draining

    def health(self) -> LoopHealth:
        """Return the loop's state and lag. Does not wait."""
        return self.loop.health()

    def __repr__(self) -> str:
        return f"<ChatService {'draining ' if self._draining else ''}{self.limiter!r} {self.loop!r}>"

    # ------------------------------------------------------------------ chats

    def open(
        self,
        chat: Chat,
        client: str = "",
        *,
        before_model: BeforeModel | None = None,
        tools: ToolSet | None = None,
        on_end: Callable[[RunEnd], None] | None = None,
    ) -> Run:
        """Start an answer. May wait for the start of the loop, at most 15 seconds.

        Args:
            chat: What is sent to the model.
            client: The client's identity, for the limit of one client's streams.
            before_model: Runs on the loop before the model is asked, and may replace the chat.
            tools: What the model may call, as far as the chat names it.
            on_end: Called once with the end of the run, on the thread that closes it. Its exceptions are logged.

        Returns:
            The run; the caller closes it.

        Raises:
            Overloaded: No slot is free, or none for this client; or no file descriptor is left.
            ShuttingDown: The drain's time is over, or the service closes.
            InternalError: The loop is dead or stuck.
        """
        current = CurrentChat(chat)
        return self._open(current, client, self._make_source(current, before_model, tools), on_end)

    def open_stored(
        self,
        chat: Chat,
        owner: str,
        client: str = "",
        *,
        key: str = "",
        body_digest: str = "",
        attended: bool = True,
        replaces: bool = False,
        before_model: BeforeModel | None = None,
        tools: ToolSet | None = None,
        can_ask: bool = True,
        on_end: Callable[[RunEnd], None] | None = None,
    ) -> StoredSubscription:
        """Start an answer that goes on without its client, or join the one that the owner has begun with a key.

        Args:
            chat: As `open`.
            owner: Who may read and stop it.
            client: As `open`.
            key: As `StoredRuns.begin`.
            body_digest: As `StoredRuns.begin`.
            attended: As `StoredRuns.begin`.
            replaces: As `StoredRuns.begin`.
            before_model: As `open`.
            tools: As `open`.
            can_ask: Whether the client learns that a call waits for a person's consent.
            on_end: As `open`; on a thread of the service's own.

        Returns:
            The place of its first reader; the caller closes it.

        Raises:
            KeyReused: As `StoredRuns.begin`.
            StoreFull: As `StoredRuns.begin`.
            ServiceError: As `open`, and as `StoredRuns.begin`.
        """
        self.start()
        current = CurrentChat(chat)
        consents = self.stored.make_consents() if tools and can_ask else None
        source = self._make_source(current, before_model, tools, consents)
        return self.stored.begin(
            owner,
            lambda: self._open(current, client, source, on_end, is_stored=True),
            key=key,
            body_digest=body_digest,
            attended=attended,
            replaces=replaces,
            consents=consents,
        )

    def _make_source(
        self,
        current: CurrentChat,
        before_model: BeforeModel | None,
        tools: ToolSet | None,
        consents: ConsentDesk | None = None,
    ) -> Source:
        if before_model is None and not tools:
            return partial(self.stream_chat, current)
        stream: StreamChat = self.stream_chat
        if tools:
            stream = partial(stream_with_tools, tools, self.stream_chat, self.settings, self.metrics, consents)
        if before_model is None:
            return lambda log: stream(current, log, None)
        return partial(stream_prepared, current, before_model, stream, self.settings.limits.first_token_timeout)

    def open_items(self, items: AsyncIterable[str], chat: Chat, client: str = "") -> Run:
        """Start a run whose texts are the items of any source. No model is asked. As `open` else.

        Args:
            items: Iterated on the loop, and closed there with the run. At most `total_timeout` seconds long.
            chat: The labels for the log and the metrics; no message of it is sent.
            client: The client's identity, for the limit of one client's streams.

        Returns:
            The run, whose text events hold one item each; the caller closes it.

        Raises:
            Overloaded: As `open`.
            ShuttingDown: As `open`.
            InternalError: As `open`.
        """
        source = partial(stream_items, items, self.settings.limits.total_timeout)
        return self._open(CurrentChat(chat), client, source, None)

    def _open(
        self,
        current: CurrentChat,
        client: str,
        source: Source,
        on_end: Callable[[RunEnd], None] | None,
        *,
        is_stored: bool = False,
    ) -> Run:
        if self._stopping:
            raise ShuttingDown("stopping")
        if limit_is_near():
            raise Overloaded(NO_DESCRIPTORS)
        slot = self.limiter.acquire(client)
        try:
            self.start()
            run = _make_run_context(current.chat.run_id).run(
                Run,
                self.loop,
                source,
                self.metrics,
                current=current,
                heartbeat=self.settings.limits.heartbeat_interval,
                keeps_text=on_end is not None,
                is_stored=is_stored,
                on_close=partial(self._close_run, on_end),
            )
        except LoopUnavailable as error:
            slot.release()
            raise InternalError(str(error)) from error
        except BaseException:
            slot.release()
            raise
        with self._lock:
            self._runs[run] = slot
        if self._stopping:
            # All runs were stopped before this one was in the list.
            run.stop(Interrupted("stopping") if is_stored else ShuttingDown("stopping"))
        return run

    def _close_run(self, on_end: Callable[[RunEnd], None] | None, run: Run) -> None:
        with self._lock:
            slot = self._runs.pop(run)
        slot.release()
        if on_end is not None:
            try:
                on_end(run.end())
            except Exception:
                logger.exception("unhandled exception in the on_end function of a run")

    def complete(self, run: Subscription) -> Reply:
        """Read a run to its end and join it into one reply. For the reader's thread.

        Raises:
            ServiceError: The answer failed; the text that had come is dropped.
        """
        kept: list[Event] = []
        custom_events: list[Custom] = []
        for _, events in run:
            for event in events:
                match event:
                    case Text() | Reasoning() | ToolCall() | ToolResult():
                        kept.append(event)
                    case Custom():
                        custom_events.append(event)
                    case Finished(reason, usage):
                        answer = join_answer(kept)
                        return Reply(answer.text, answer.reasoning, reason, usage, answer.tool_calls, custom_events)
                    case Failed(error):
                        # The traceback of a raised error would hold this frame, and the frame the error.
                        raise copy(error)
        raise ShuttingDown("the run was closed")

    async def stream_chat(
        self, current: CurrentChat, log: EventSink, first_token_timeout: float | None = None
    ) -> None:
        """Append an answer's events; after a failure that may pass, ask again. On the loop's thread.

        Args:
            current: What is sent to the model; gets the provider that is asked.
            log: Gets the events.
            first_token_timeout: Seconds until the first token. Default: the setting.

        Raises:
            UpstreamError: The last attempt's failure; or no provider serves the model.
        """
        router = self._model
        assert router is not None
        limit = self.settings.limits.first_token_timeout if first_token_timeout is None else first_token_timeout
        routes = router.routes(current.chat.model)
        await stream_with_retries(
            [partial(route.stream, current, log) for route in routes],
            log,
            max_retries=self.settings.provider.max_retries,
            first_token_timeout=limit,
            on_retry=self.metrics.retried,
        )


async def _disconnect(stored: StoredRuns, model: ModelRouter | None, demo: DemoServer | None) -> None:
    """Close what a service has opened on its loop."""
    await stored.aclose()
    if model is not None:
        await model.aclose()
    if demo is not None:
        await demo.aclose()


async def _release(stored: StoredRuns, model: ModelRouter | None, demo: DemoServer | None, metrics: Metrics) -> None:
    """Close all that a service has opened, which itself is gone."""
    await _disconnect(stored, model, demo)
    metrics.close()
