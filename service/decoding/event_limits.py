"""How large one event may be: in bytes, and in parts of its JSON."""

from __future__ import annotations

# An event is decoded in one go, in which the loop does nothing else. A part of its JSON costs up to 0.7 us: a
# mebibyte of small ones took 130 ms, and this many take 20 to 40. A whole answer in one JSON has a part in 30 bytes.
MOST_PARTS = 50_000
# Bytes. In smaller events parts are not counted: they cannot take that long.
LARGE_EVENT = 64 * 1024


class EventTooLarge(ValueError):
    """One event, or one line, is larger than a limit.

    Attributes:
        complete: The data of the events before it that the same bytes completed.
    """

    def __init__(self, limit: int, complete: list[bytes], unit: str = "bytes") -> None:
        """Describe it.

        Args:
            limit: The limit.
            complete: The complete events before it.
            unit: What the limit counts.
        """
        self.complete = complete
        super().__init__(f"the provider sent an event larger than {limit} {unit}")


def refuse_many_parts(data: bytes, complete: list[bytes]) -> None:
    """Refuse JSON that takes too long to decode.

    Args:
        data: The event.
        complete: The complete events before it.

    Raises:
        EventTooLarge: It has more than `MOST_PARTS` parts.
    """
    if data.count(b",") + data.count(b"{") + data.count(b"[") > MOST_PARTS:
        raise EventTooLarge(MOST_PARTS, complete, "parts")
