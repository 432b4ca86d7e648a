"""What is known of a run from its events: its end, its usage and its times, for the log, the metrics and `on_end`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..chat import CurrentChat
from ..events.events import Event, Failed, Finished, Reasoning, Text
from ..events.usage import Usage, estimate_usage


class RunFigures:
    """Counts a run's events, once for all of its readers. `record` is for one thread; any thread may read."""

    def __init__(self, current: CurrentChat, *, keeps_text: bool = False) -> None:
        """Begin to count.

        Args:
            current: What is sent to the model, for an estimate of the usage.
            keeps_text: Whether `text` and `reasoning` are wanted.
        """
        self._current = current
        self._began = time.monotonic()
        #: Seconds from the beginning to the first token; None before.
        self.first_token: float | None = None
        #: The terminal event; None before.
        self.end: Finished | Failed | None = None
        self._chunk_count = 0
        #: Bytes of text and reasoning, in UTF-8.
        self.byte_count = 0
        self._usage: Usage | None = None
        self._texts: list[Text | Reasoning] | None = [] if keeps_text else None

    def record(self, batch: Sequence[Event]) -> Sequence[Event]:
        """Count events; return them with the usage in the last one."""
        for event in batch:
            # Not `isinstance`, which costs more, once for each token. There are no subclasses.
            if type(event) is Text or type(event) is Reasoning:
                text = event.text
                self._chunk_count += event.chunk_count
                # `isascii` reads a flag of the string, and encodes nothing.
                self.byte_count += len(text) if text.isascii() else len(text.encode(errors="replace"))
                if self.first_token is None:
                    self.first_token = self.duration
                if self._texts is not None:
                    self._texts.append(event)
            elif type(event) is Finished:
                self._usage = event.usage
                self.end = Finished(event.reason, self.usage)
                return [*batch[:-1], self.end]
            elif type(event) is Failed:
                self.end = event
        return batch

    @property
    def duration(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    @property
    def usage(self) -> Usage:
        """The tokens; estimated where the provider counted none."""
        if self._usage is None:
            prompts = [message["content"] for message in self._current.chat.prompt]
            self._usage = estimate_usage(prompts, self._chunk_count, self.byte_count)
        return self._usage

    @property
    def text(self) -> str:
        """The text of the answer, as far as it has come; empty where it is not kept."""
        return "".join([each.text for each in self._texts or () if type(each) is Text])

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered; empty where it is not kept."""
        return "".join([each.text for each in self._texts or () if type(each) is Reasoning])
