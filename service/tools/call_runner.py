"""Runs the calls of one step: in parallel, each in a task of its own that ends with the run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ..chat import Chat
from ..events.events import Custom, ToolCall, ToolResult
from ..observability.metrics import Metrics
from ..runs.log import RunLog
from ..settings.records.tools import ToolSettings
from .consent import DENIED, UNDECIDED, CannotAsk, ConsentDesk
from .context import ToolContext, ToolError
from .parameters import BadArguments
from .results import to_text
from .tool import Tool, ToolFunction

logger = logging.getLogger("sluice.tools")

T = TypeVar("T")

# Calls of one answer that run at once. The others wait, and their time does not begin.
MOST_AT_ONCE = 8
# Seconds for a call to end after each cancellation. The first wait is for its clean-up, which a second cancellation
# would break off; a call that swallows the first one gets others. Together less than a run waits for its source.
CANCEL_GRACES = (2.0, 1.0, 1.0)

# Calls that have ignored each cancellation. The loop keeps only weak references to tasks.
_ignoring: set[asyncio.Task[Any]] = set()


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a call has ended: what the model is told, the label for the metrics, and `ToolResult.code`."""

    text: str
    outcome: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A call that was looked at: what it calls and with what, or else how it has ended already."""

    call: ToolCall
    tool: Tool | None
    arguments: dict[str, Any]
    ended: _Ended | None = None


class CallRunner:
    """Runs the calls of one run. For the loop's thread."""

    def __init__(
        self,
        tools: Mapping[str, Tool],
        chat: Chat,
        log: RunLog,
        metrics: Metrics,
        settings: ToolSettings,
        consents: ConsentDesk | None,
    ) -> None:
        """Take what calls need.

        Args:
            tools: Those that may be called, by their names.
            chat: For the functions' context.
            log: Gets the calls, the results, each when it is there, and the events of the functions.
            metrics: Counts the calls.
            settings: Their time limits.
            consents: Asks a person; None where nobody can be asked.
        """
        self._tools = tools
        self._chat = chat
        self._log = log
        self._metrics = metrics
        self._settings = settings
        self._consents = consents
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        # A log has one producer, and only one can wait for room.
        self._room = asyncio.Lock()
        self._running: set[str] = set()

    async def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Run calls, and return their results in the same order.

        Cancelling cancels the calls, and waits a few seconds for those that do not end.
        """
        prepared = await _gather([self._prepare(call) for call in calls])
        self._log.append([each.call for each in prepared])
        return await _gather([self._answer(each) for each in prepared])

    async def _prepare(self, call: ToolCall) -> _Prepared:
        """Decode a call's arguments, and ask a person about it where that is needed."""
        tool = self._tools.get(call.name)
        if tool is None:
            known = ", ".join(self._tools)
            sentence = f"There is no tool {call.name!r}. There are: {known}."
            return _Prepared(call, None, {}, _Ended(sentence, "unknown", "unknown_tool"))
        try:
            arguments = tool.parameters.decode(call.arguments)
        except BadArguments as error:
            return _Prepared(call, tool, {}, _Ended(_on_one_line(str(error), tool), "invalid", "invalid_arguments"))
        except Exception:
            # A type's own code, such as a validator.
            logger.exception("unhandled exception while the arguments of the tool %s were decoded", tool.name)
            sentence = "The arguments could not be read."
            return _Prepared(call, tool, {}, _Ended(sentence, "invalid", "invalid_arguments"))
        needs_consent = tool.needs_consent
        if callable(needs_consent):
            async with self._slots:
                found = await self._run_task(needs_consent, (dict(arguments),), {}, tool)
            if not isinstance(found, bool):
                if not isinstance(found, _Ended):
                    logger.error("needs_consent of the tool %s returned no bool; the call is not run", tool.name)
                    found = _Ended(f"The tool {tool.name} failed.", "error", "failed")
                return _Prepared(call, tool, {}, found)
            needs_consent = found
        if not needs_consent:
            return _Prepared(call, tool, arguments)
        if (ended := await self._ask(call, tool)) is not None:
            return _Prepared(call, tool, {}, ended)
        return _Prepared(ToolCall(call.call_id, call.name, call.arguments, needs_consent=True), tool, arguments)

    async def _ask(self, call: ToolCall, tool: Tool) -> _Ended | None:
        """Ask a person about a call; return how it has ended where nobody can be asked."""
        sentence = f"The tool {tool.name} needs a person's consent, and nobody can be asked in this answer."
        if self._consents is None:
            return _Ended(sentence, "denied", "cannot_ask")
        try:
            await self._consents.ask(call.call_id)
        except CannotAsk as error:
            logger.warning("nobody can be asked about a call of the tool %s: %s", tool.name, error)
            return _Ended(sentence, "denied", "cannot_ask")
        return None

    async def _answer(self, prepared: _Prepared) -> ToolResult:
        call, tool = prepared.call, prepared.tool
        began = time.monotonic()
        ended = _Ended("", "cancelled")
        try:
            ended = prepared.ended or await self._decided(call) or ended
            if ended.outcome == "cancelled" and tool is not None:
                async with self._slots:
                    # Neither a person's time nor the wait for other calls is the tool's.
                    began = time.monotonic()
                    ended = await self._call(prepared, tool)
        finally:
            seconds = time.monotonic() - began
            # Another name is the model's text, which is no label, and not for the log.
            name = "" if tool is None else tool.name
            self._metrics.tool_called(name, ended.outcome, seconds)
            logger.info(
                "tool=%s run=%s outcome=%s duration_ms=%d result_bytes=%d",
                name or "-", self._chat.run_id, ended.outcome, int(seconds * 1000), len(ended.text.encode()),
            )  # fmt: skip
        result = ToolResult(call.call_id, call.name, ended.text, ended.outcome != "done", seconds, ended.code)
        self._log.append([result])
        return result

    async def _decided(self, call: ToolCall) -> _Ended | None:
        """Wait for a person's decision where one is asked; return how the call has ended unless it may run."""
        if not call.needs_consent:
            return None
        assert self._consents is not None
        allowed = await self._consents.wait(call.call_id, self._settings.consent_timeout)
        if allowed is None:
            return _Ended(UNDECIDED, "denied", "undecided")
        return None if allowed else _Ended(DENIED, "denied", "denied")

    async def _call(self, prepared: _Prepared, tool: Tool) -> _Ended:
        """Run one call, and return how it has ended."""
        call_id, arguments = prepared.call.call_id, prepared.arguments
        if (context_name := tool.parameters.context_name) is not None:
            arguments[context_name] = ToolContext(
                self._chat.context, self._chat.user, self._chat.run_id, call_id, partial(self._emit, call_id)
            )
        self._running.add(call_id)
        try:
            returned = await self._run_task(tool.function, (), arguments, tool)
        finally:
            self._running.discard(call_id)
        if isinstance(returned, _Ended):
            return returned
        try:
            return _Ended(to_text(returned, tool.max_result_bytes), "done")
        except TypeError as unfit:
            logger.error("the tool %s returned what JSON cannot express: %s", tool.name, unfit)
        except Exception:
            # A value's own code, such as a serializer.
            logger.exception("unhandled exception while the result of the tool %s was written as JSON", tool.name)
        return _Ended(f"The tool {tool.name} failed: its result cannot be written as JSON.", "error", "failed")

    async def _run_task(
        self, function: ToolFunction, positional: tuple[Any, ...], named: dict[str, Any], tool: Tool
    ) -> Any:
        """Run a function of the application in a task; return what it returns, or how it has failed (`_Ended`)."""
        timeout = self._settings.timeout if tool.timeout is None else tool.timeout
        task = asyncio.create_task(_contain(function, positional, named))
        try:
            await asyncio.wait([task], timeout=timeout)
        except asyncio.CancelledError:
            await _end(task, tool.name)
            raise
        if not task.done():
            await _end(task, tool.name)
            logger.warning("the tool %s did not end within %g s, and was cancelled", tool.name, timeout)
            return _Ended(f"The tool {tool.name} did not end within {timeout:g} seconds.", "timeout", "timeout")
        return _failure_of(task, tool) or task.result()

    async def _emit(self, call_id: str, name: str, data: bytes) -> None:
        """Append an event of a function, and wait until the log has room (`ToolContext.emit`)."""
        if call_id not in self._running:
            raise RuntimeError("the call has ended; its context can send no further events")
        self._log.append([Custom(name, data)])
        async with self._room:
            await self._log.wait_room()


class _WouldEndLoop(Exception):
    """The function has raised its cause."""


async def _gather(coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines at once. Where one fails, or the caller is cancelled, wait for the end of all of them."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        raise


async def _contain(function: ToolFunction, positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Call a function. In a task, these two exceptions would end the event loop."""
    try:
        called: Awaitable[Any] = function(*positional, **named)
        return await called
    except (KeyboardInterrupt, SystemExit) as error:
        raise _WouldEndLoop from error


def _failure_of(task: asyncio.Task[Any], tool: Tool) -> _Ended | None:
    """Return how a call has failed whose task is done; None where it has not."""
    if task.cancelled():
        logger.warning("the tool %s has cancelled itself", tool.name)
        return _Ended(f"The tool {tool.name} was cancelled.", "error", "failed")
    error = task.exception()
    if error is None:
        return None
    if isinstance(error, ToolError):
        sentence = _on_one_line(str(error), tool)
        return _Ended(sentence, "error") if sentence else _Ended(f"The tool {tool.name} failed.", "error", "failed")
    logger.error("unhandled exception in the tool %s; the model is told that it failed", tool.name, exc_info=error)
    kind = type(error.__cause__ if isinstance(error, _WouldEndLoop) else error).__name__
    return _Ended(f"The tool {tool.name} failed with an error of the type {kind}.", "error", "failed")


async def _end(task: asyncio.Task[Any], name: str) -> None:
    """Cancel a task and wait until it has ended, at most a few seconds."""
    for grace in CANCEL_GRACES:
        task.cancel()
        await asyncio.wait([task], timeout=grace)
        if task.done():
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.warning("the tool %s failed when it was cancelled: %s", name, type(error).__name__)
            return
    logger.error("the tool %s ignores that it was cancelled, and goes on: it should raise CancelledError again", name)
    _ignoring.add(task)
    task.add_done_callback(_forget)


def _forget(task: asyncio.Task[Any]) -> None:
    _ignoring.discard(task)
    # Else asyncio logs that nobody has asked for it.
    if not task.cancelled():
        task.exception()


def _on_one_line(sentence: str, tool: Tool) -> str:
    return to_text(" ".join(sentence.encode(errors="replace").decode().split()), tool.max_result_bytes)
