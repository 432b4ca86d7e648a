"""One step of an answer that may call tools: its text goes on to the run's log, its calls and its end are kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..events.events import Event, Finished, Text, ToolCall
from ..runs.log import RunLog

# Of a call's id and of a tool's name; other characters, providers refuse when they are sent back.
_MOST_CHARS = 64
_ODD = re.compile(r"[^A-Za-z0-9_.:-]")


class StepLog:
    """What a step's answer is appended to (`EventSink`). For the loop's thread."""

    def __init__(self, log: RunLog, known_ids: set[str], end: Callable[[Finished], Finished]) -> None:
        """Begin a step.

        Args:
            log: The run's.
            known_ids: The ids of earlier calls; gets those of this step. A model may use one again.
            end: Returns the end of the whole answer, given that of a step without calls.
        """
        self._log = log
        self._known_ids = known_ids
        self._end = end
        #: The text that has come.
        self.texts: list[str] = []
        #: The calls that have come, each with an id of its own in the run.
        self.calls: list[ToolCall] = []
        #: The end, where calls came before it; the run goes on.
        self.finished: Finished | None = None
        self.last_number = 0

    @property
    def has_ended(self) -> bool:
        """Whether the step has ended, or the run."""
        return self.finished is not None or self._log.has_ended

    @property
    def is_full(self) -> bool:
        """As `RunLog.is_full`."""
        return self._log.is_full

    def accept(self) -> None:
        """As `RunLog.accept`."""
        self._log.accept()

    async def wait_room(self) -> None:
        """As `RunLog.wait_room`."""
        await self._log.wait_room()

    def append(self, events: Sequence[Event]) -> None:
        """Hand events on, but calls and the end of a step that has some."""
        self.last_number += len(events)
        passed: list[Event] = []
        for event in events:
            if type(event) is Text:
                self.texts.append(event.text)
                passed.append(event)
            elif type(event) is ToolCall:
                self.calls.append(self._with_own_id(event))
            elif type(event) is Finished:
                if self.calls:
                    self.finished = event
                else:
                    passed.append(self._end(event))
            else:
                passed.append(event)
        if passed:
            self._log.append(passed)

    def _with_own_id(self, call: ToolCall) -> ToolCall:
        call_id = _ODD.sub("_", call.call_id)[:_MOST_CHARS]
        number = 2
        while call_id in self._known_ids:
            call_id = f"{_ODD.sub('_', call.call_id)[: _MOST_CHARS - 8]}_{number}"
            number += 1
        self._known_ids.add(call_id)
        name = _ODD.sub("_", call.name)[:_MOST_CHARS]
        return ToolCall(call_id, name, call.arguments, extra_content=call.extra_content)
