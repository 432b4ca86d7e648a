"""Runs the calls of one step: in parallel, each in a task of its own that ends with the run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..chat import Chat
from ..events.events import Custom, ToolCall, ToolResult
from ..observability.metrics import Metrics
from ..runs.log import RunLog
from .context import ToolContext, ToolError
from .parameters import BadArguments
from .results import to_text
from .tool import Tool

logger = logging.getLogger("sluice.tools")

# Calls of one answer that run at once. The others wait, and their time does not begin.
MOST_AT_ONCE = 8
# Seconds for a call to end after each cancellation. The first wait is for its clean-up, which a second cancellation
# would break off; a call that swallows the first one gets others. Together less than a run waits for its source.
CANCEL_GRACES = (2.0, 1.0, 1.0)

# Calls that have ignored each cancellation. The loop keeps only weak references to tasks.
_ignoring: set[asyncio.Task[Any]] = set()


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a call has ended: what the model is told, and the label for the metrics."""

    text: str
    outcome: str


class CallRunner:
    """Runs the calls of one run. For the loop's thread."""

    def __init__(self, tools: Mapping[str, Tool], chat: Chat, log: RunLog, metrics: Metrics, timeout: float) -> None:
        """Take what calls need.

        Args:
            tools: Those that may be called, by their names.
            chat: For the functions' context.
            log: Gets the results, each when it is there, and the events of the functions.
            metrics: Counts the calls.
            timeout: Seconds for a call, where its tool has no limit of its own.
        """
        self._tools = tools
        self._chat = chat
        self._log = log
        self._metrics = metrics
        self._timeout = timeout
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        # A log has one producer, and only one can wait for room.
        self._room = asyncio.Lock()
        self._running: set[str] = set()

    async def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Run calls, and return their results in the same order.

        Cancelling cancels the calls, and waits a few seconds for those that do not end.
        """
        tasks = [asyncio.create_task(self._answer(call)) for call in calls]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            # Also where one of them has failed by a defect of ours, and the others go on.
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            raise

    async def _answer(self, call: ToolCall) -> ToolResult:
        tool = self._tools.get(call.name)
        async with self._slots:
            began = time.monotonic()
            ended = _Ended("", "cancelled")
            try:
                ended = await self._call(call, tool)
            finally:
                seconds = time.monotonic() - began
                # Another name is the model's text, which is no label, and not for the log.
                name = "" if tool is None else tool.name
                self._metrics.tool_called(name, ended.outcome, seconds)
                logger.info(
                    "tool=%s run=%s outcome=%s duration_ms=%d result_bytes=%d",
                    name or "-", self._chat.run_id, ended.outcome, int(seconds * 1000), len(ended.text.encode()),
                )  # fmt: skip
        result = ToolResult(call.call_id, call.name, ended.text, ended.outcome != "done", seconds)
        self._log.append([result])
        return result

    async def _call(self, call: ToolCall, tool: Tool | None) -> _Ended:
        """Run one call, and return how it has ended."""
        if tool is None:
            known = ", ".join(self._tools)
            return _Ended(f"There is no tool {call.name!r}. There are: {known}.", "unknown")
        try:
            arguments = tool.parameters.decode(call.arguments)
        except BadArguments as error:
            return _Ended(_on_one_line(str(error)), "invalid")
        except Exception:
            # A type's own code, such as a validator.
            logger.exception("unhandled exception while the arguments of the tool %s were decoded", tool.name)
            return _Ended("The arguments could not be read.", "invalid")
        if (context_name := tool.parameters.context_name) is not None:
            arguments[context_name] = ToolContext(
                self._chat.context,
                self._chat.user,
                self._chat.run_id,
                call.call_id,
                partial(self._emit, call.call_id),
            )
        timeout = self._timeout if tool.timeout is None else tool.timeout
        self._running.add(call.call_id)
        task = asyncio.create_task(_contain(tool, arguments))
        try:
            await asyncio.wait([task], timeout=timeout)
            if not task.done():
                await _end(task, tool.name)
                logger.warning("the tool %s did not end within %g s, and was cancelled", tool.name, timeout)
                return _Ended(f"The tool {tool.name} did not end within {timeout:g} seconds.", "timeout")
            return _read(task, tool)
        except asyncio.CancelledError:
            await _end(task, tool.name)
            raise
        finally:
            self._running.discard(call.call_id)

    async def _emit(self, call_id: str, name: str, data: bytes) -> None:
        """Append an event of a function, and wait until the log has room (`ToolContext.emit`)."""
        if call_id not in self._running:
            raise RuntimeError("the call has ended; its context can send no further events")
        self._log.append([Custom(name, data)])
        async with self._room:
            await self._log.wait_room()


class _WouldEndLoop(Exception):
    """The function has raised its cause."""


async def _contain(tool: Tool, arguments: dict[str, Any]) -> Any:
    """Call the function. In a task, these two exceptions would end the event loop."""
    try:
        called: Awaitable[Any] = tool.function(**arguments)
        return await called
    except (KeyboardInterrupt, SystemExit) as error:
        raise _WouldEndLoop from error


def _read(task: asyncio.Task[Any], tool: Tool) -> _Ended:
    """Return how a call has ended whose task is done."""
    if task.cancelled():
        logger.warning("the tool %s has cancelled itself", tool.name)
        return _Ended(f"The tool {tool.name} was cancelled.", "error")
    error = task.exception()
    if isinstance(error, ToolError):
        return _Ended(_on_one_line(str(error)) or f"The tool {tool.name} failed.", "error")
    if error is not None:
        logger.error(
            "unhandled exception in the tool %s; the model is told that it failed", tool.name, exc_info=error
        )
        kind = type(error.__cause__ if isinstance(error, _WouldEndLoop) else error).__name__
        return _Ended(f"The tool {tool.name} failed with an error of the type {kind}.", "error")
    try:
        return _Ended(to_text(task.result(), tool.max_result_bytes), "done")
    except TypeError as unfit:
        logger.error("the tool %s returned what JSON cannot express: %s", tool.name, unfit)
        return _Ended(f"The tool {tool.name} failed: its result cannot be written as JSON.", "error")


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


def _on_one_line(sentence: str) -> str:
    return " ".join(sentence.encode(errors="replace").decode().split())
