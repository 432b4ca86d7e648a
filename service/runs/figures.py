"""What is known of a run from its events: its end, its usage and its times, for the log, the metrics and `on_end`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..chat import CurrentChat
from ..events.events import Chunks, Custom, Event, Failed, Finished, Reasoning, Text, ToolCall, ToolResult
from ..events.joined_answer import JoinedAnswer, join_answer
from ..events.usage import Usage, estimate_usage
from .costs import with_cost


class RunFigures:
    """Counts a run's events, once for all of its readers. `record` is for one thread; any thread may read."""

    def __init__(self, current: CurrentChat, *, keeps_text: bool = False) -> None:
        """Begin to count.

        Args:
            current: What is sent to the model, for an estimate of the usage.
            keeps_text: Whether `answer` is wanted.
        """
        self._current = current
        self._began = time.monotonic()
        #: Seconds from the beginning to the first token; None before.
        self.first_token: float | None = None
        #: The terminal event; None before.
        self.end: Finished | Failed | None = None
        self._chunk_count = 0
        # Bytes that the model has written, in UTF-8, and those that came with them or of tools.
        self._written_bytes = self._other_bytes = 0
        self._usage: Usage | None = None
        self._kept: list[Event] | None = [] if keeps_text else None

    def record(self, batch: Sequence[Event]) -> Sequence[Event]:
        """Count events; return them with the usage in the last one."""
        for event in batch:
            # Not `isinstance`, which costs more, once for each token. There are no subclasses.
            if type(event) is Text or type(event) is Reasoning:
                text = event.text
                self._chunk_count += event.chunk_count
                # `isascii` reads a flag of the string, and encodes nothing.
                self._written_bytes += len(text) if text.isascii() else len(text.encode(errors="replace"))
                if self.first_token is None:
                    self.first_token = self.duration
                if self._kept is not None:
                    self._kept.append(event)
            elif type(event) is Chunks:
                text = event.text + event.reasoning
                self._chunk_count += event.chunk_count
                self._written_bytes += len(text) if text.isascii() else len(text.encode(errors="replace"))
                self._other_bytes += len(event.frames)
                if self.first_token is None:
                    self.first_token = self.duration
                if self._kept is not None:
                    self._kept += [each for each in (Reasoning(event.reasoning), Text(event.text)) if each.text]
            elif type(event) is Finished:
                self._usage = event.usage
                self.end = Finished(event.reason, self.usage, event.reported)
                return [*batch[:-1], self.end]
            elif type(event) is Failed:
                self.end = event
            else:
                self._record_other(event)
        return batch

    def _record_other(self, event: Event) -> None:
        """Count an event of a tool or of the application."""
        if self.first_token is None:
            self.first_token = self.duration
        if type(event) is ToolCall:
            self._chunk_count += 1
            self._written_bytes += _size(event.arguments)
            self._keep(event)
        elif type(event) is ToolResult:
            self._other_bytes += _size(event.text)
            self._keep(event)
        elif type(event) is Custom:
            self._other_bytes += len(event.data)

    def _keep(self, event: Event) -> None:
        if self._kept is not None:
            self._kept.append(event)

    @property
    def duration(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    @property
    def byte_count(self) -> int:
        """Bytes of all events but the end, about: of their texts and data."""
        return self._written_bytes + self._other_bytes

    @property
    def usage(self) -> Usage:
        """The tokens, estimated where the provider counted none, and their cost where they have a price."""
        usage = self._usage
        if usage is None:
            prompts = self._current.chat.prompt_texts + self._current.further_texts
            usage = estimate_usage(prompts, self._chunk_count, self._written_bytes)
        self._usage = usage = with_cost(usage, self._current.price)
        return usage

    @property
    def answer(self) -> JoinedAnswer:
        """The answer, as far as it has come; empty where it is not kept."""
        return join_answer(self._kept or ())


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
