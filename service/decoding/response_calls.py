"""Read the calls of functions in events of the Responses API, as parts that a chunk of the chat API has of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .tool_call_builder import MOST_CALLS

Part = dict[str, Any]


class ResponseCalls:
    """The calls of one answer. Calls beyond `MOST_CALLS` are left out."""

    def __init__(self) -> None:
        """Begin without a call."""
        # By the index in the output, or an item's id: the number of the call.
        self._numbers: dict[int | str, int] = {}
        # By a call's id, the key above: in the whole response a call may stand in another place.
        self._keys: dict[str, int | str] = {}
        # The calls of which arguments have come.
        self._begun: set[int] = set()

    def __bool__(self) -> bool:
        """Whether there is a call."""
        return bool(self._numbers)

    def read_event(self, name: str, value: Mapping[str, Any]) -> Iterator[Part]:
        """Read an event that may be about a call.

        Args:
            name: The event's type.
            value: The event.

        Yields:
            The parts of calls, each with the call's number as its index.
        """
        index = value.get("output_index")
        key = index if isinstance(index, int) else first_text(value, "item_id")
        item = value.get("item")
        if isinstance(item, dict) and item.get("type") == "function_call":
            yield from self._begin(key, item)
            if name == "response.output_item.done":
                yield from self._end(key, item)
        elif name == "response.function_call_arguments.delta":
            yield from self._begin(key, value)
            yield from self._add(key, value.get("delta"))
        elif name == "response.function_call_arguments.done":
            yield from self._begin(key, value)
            yield from self._end(key, value)

    def read_item(self, index: int, item: Mapping[str, Any]) -> Iterator[Part]:
        """Read a call of the whole response: what of it did not come in events.

        Args:
            index: Where it stands in the output.
            item: The call.

        Yields:
            As `read_event`.
        """
        key = self._keys.get(first_text(item, "call_id", "id"), index)
        yield from self._begin(key, item)
        yield from self._end(key, item)

    def _begin(self, key: int | str, item: Mapping[str, Any]) -> Iterator[Part]:
        if key in self._numbers or len(self._numbers) >= MOST_CALLS:
            return
        self._numbers[key] = number = len(self._numbers)
        call_id = first_text(item, "call_id", "id", "item_id")
        self._keys[call_id] = key
        function = {"name": first_text(item, "name"), "arguments": ""}
        yield {"index": number, "id": call_id, "type": "function", "function": function}

    def _add(self, key: int | str, arguments: object) -> Iterator[Part]:
        number = self._numbers.get(key)
        if number is not None and isinstance(arguments, str) and arguments:
            self._begun.add(number)
            yield {"index": number, "function": {"arguments": arguments}}

    def _end(self, key: int | str, item: Mapping[str, Any]) -> Iterator[Part]:
        """Take a call's whole arguments, where none of them came in parts."""
        if self._numbers.get(key) not in self._begun:
            yield from self._add(key, item.get("arguments"))


def first_text(fields: Mapping[str, Any], *names: str) -> str:
    """Return the first of these fields that has a text; empty where none has."""
    return next((value for name in names if isinstance(value := fields.get(name), str) and value), "")
