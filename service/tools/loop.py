"""Ask the model, run the tools that it calls, and ask again with their results, until it answers without calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from ..chat import Chat, CurrentChat
from ..errors import UpstreamTimeout
from ..events.events import Finished, ToolCall
from ..events.usage import Usage, sum_usages
from ..message import Message, call_of
from ..observability.metrics import Metrics
from ..runs.costs import with_cost
from ..runs.log import EventSink, RunLog
from ..settings.settings import Settings
from .call_runner import CallRunner
from .consent import ConsentDesk
from .step_log import StepLog
from .tool import Tool, ToolSet

#: Appends one answer of the model, given its chat, the sink, and the seconds until the first token.
StreamStep = Callable[[CurrentChat, EventSink, float | None], Awaitable[None]]
# Calls of an answer that the provider has filtered are not complete.
_FILTERED = "content_filter"


async def stream_with_tools(
    tools: ToolSet,
    stream_step: StreamStep,
    settings: Settings,
    metrics: Metrics,
    consents: ConsentDesk | None,
    current: CurrentChat,
    log: RunLog,
    first_token_timeout: float | None = None,
) -> None:
    """Append the events of an answer whose model may call tools. Runs on the loop.

    Args:
        tools: The application's.
        stream_step: Asks the model once.
        settings: The limits of steps and times.
        metrics: Counts the calls.
        consents: Asks a person; None where nobody can be asked.
        current: The chat; gets who is asked.
        log: Gets texts, calls, results and one end.
        first_token_timeout: Seconds until the first token of the first step; None for the setting.

    Raises:
        UpstreamTimeout: The whole answer has taken longer than the limit.
        ValueError: The chat names a tool that there is not.
        ServiceError: As `stream_step`.

    Cancelling cancels the model's call and the tools.
    """
    chosen = tools.choose(current.chat)
    if not chosen:
        await stream_step(current, log, first_token_timeout)
        return
    runner = CallRunner(chosen, current.chat, log, metrics, settings.tools, consents)
    loop = _ToolLoop(chosen, stream_step, settings.tools.steps, runner, current, log)
    try:
        async with asyncio.timeout(settings.limits.total_timeout) as limit:
            await loop.run(first_token_timeout)
    except TimeoutError:
        if not limit.expired():
            raise
        raise UpstreamTimeout("the answer and its tools did not end within SLUICE_TOTAL_TIMEOUT") from None


class _ToolLoop:
    def __init__(
        self,
        tools: Mapping[str, Tool],
        stream_step: StreamStep,
        most_steps: int,
        runner: CallRunner,
        current: CurrentChat,
        log: RunLog,
    ) -> None:
        self._tools = tools
        self._stream_step = stream_step
        self._most_steps = most_steps
        self._current = current
        self._log = log
        self._runner = runner
        # Of the steps so far, each by the price of the provider that answered it.
        self._usages: list[Usage | None] = []
        #: Who is asked in this step.
        self._asked = current
        self._call_ids: set[str] = set()

    async def run(self, first_token_timeout: float | None) -> None:
        chat = self._current.chat
        messages = list(chat.messages)
        for number in range(self._most_steps + 1):
            is_last = number == self._most_steps
            asked = chat.replace(messages=messages, tools=None, extra=self._extra(chat, number, is_last=is_last))
            if number:
                self._current.further_texts += asked.prompt_texts
            step = StepLog(self._log, self._call_ids, self._end)
            await self._ask(asked, step, None if number else first_token_timeout)
            finished = step.finished
            if finished is None:
                # It has ended without calls, or the run has.
                return
            if is_last or finished.reason == _FILTERED:
                self._log.append([self._end(finished)])
                return
            self._take_usage(finished)
            results = await self._runner.run(step.calls)
            messages.append(_assistant_message("".join(step.texts), step.calls))
            messages += [Message(role="tool", tool_call_id=result.call_id, content=result.text) for result in results]

    async def _ask(self, chat: Chat, step: StepLog, first_token_timeout: float | None) -> None:
        self._asked = CurrentChat(chat)
        try:
            await self._stream_step(self._asked, step, first_token_timeout)
        finally:
            self._name_provider()

    def _name_provider(self) -> None:
        """Take the provider of this step and its price for those of the whole answer."""
        self._current.provider = self._asked.provider or self._current.provider
        self._current.price = self._asked.price or self._current.price

    def _take_usage(self, finished: Finished) -> None:
        usage = finished.usage
        self._usages.append(None if usage is None else with_cost(usage, self._asked.price))

    def _extra(self, chat: Chat, number: int, *, is_last: bool) -> dict[str, Any]:
        extra = {**chat.extra, "tools": [tool.describe() for tool in self._tools.values()]}
        if is_last:
            extra["tool_choice"] = "none"
        elif number and extra.get("tool_choice") not in ("auto", "none"):
            # A model that has to call a tool would never answer.
            extra.pop("tool_choice", None)
        return extra

    def _end(self, finished: Finished) -> Finished:
        """Return the end of the whole answer, with the usage of all steps."""
        self._take_usage(finished)
        # The end is the last event: what is not known of the price by then has no effect on it.
        self._name_provider()
        return Finished(finished.reason, sum_usages(self._usages), finished.reported)


def _assistant_message(text: str, calls: list[ToolCall]) -> Message:
    """Return what the model has said, for the next request."""
    return Message(
        role="assistant",
        content=text.encode(errors="replace").decode() or None,
        tool_calls=[_sent_back(call) for call in calls],
    )


def _sent_back(call: ToolCall) -> dict[str, Any]:
    sent = call_of(call.call_id, call.name, call.arguments)
    if call.extra_content:
        sent["extra_content"] = msgspec.Raw(call.extra_content.encode())
    return sent
