"""How large one event may be: in bytes, and in parts of its JSON."""

from __future__ import annotations

from .plain_chunk import find_used_parts

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


class TooManyParts(EventTooLarge):
    """One event has more parts than can be decoded without a delay of other streams."""

    def __init__(self, complete: list[bytes]) -> None:
        """Take the complete events before it."""
        super().__init__(MOST_PARTS, complete, "parts of JSON, whose decoding would delay other streams")


def refuse_many_parts(data: bytes, complete: list[bytes]) -> None:
    """Refuse JSON that takes too long to decode.

    Args:
        data: The event.
        complete: The complete events before it.

    Raises:
        TooManyParts: It has more than `MOST_PARTS` parts.
    """
    if _count_parts(data) > MOST_PARTS:
        raise TooManyParts(complete)


def refuse_many_used_parts(data: bytes, complete: list[bytes]) -> None:
    """Refuse a chunk that takes too long to decode. The parts of a plain chunk that are not used cost nearly nothing.

    So an answer with `logprobs` is read, of which one event may have a hundred thousand parts.

    Args:
        data: The event's data.
        complete: The complete events before it.

    Raises:
        TooManyParts: It has more than `MOST_PARTS` parts, and is not a plain chunk that has most in unused fields.
    """
    if _count_parts(data) <= MOST_PARTS:
        return
    used = find_used_parts(data)
    if used is None or sum(map(_count_parts, used)) > MOST_PARTS:
        raise TooManyParts(complete)


def refuse_many_parts_in_lines(block: bytes, complete: list[bytes]) -> None:
    """Refuse lines of an event stream that take too long to decode.

    Args:
        block: Lines, of which the first may be large; only one that begins with `data:` is taken for a chunk.
        complete: The complete events before it.

    Raises:
        TooManyParts: As `refuse_many_parts` and `refuse_many_used_parts`.
    """
    if _count_parts(block) <= MOST_PARTS:
        return
    for line in block.split(b"\n"):
        if line.startswith(b"data:"):
            refuse_many_used_parts(line[5:], complete)
        else:
            refuse_many_parts(line, complete)


def _count_parts(data: bytes) -> int:
    """Return how many parts JSON has at most: characters in its texts count too."""
    return data.count(b",") + data.count(b"{") + data.count(b"[")
