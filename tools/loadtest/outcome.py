"""What became of one request."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

#: `left`: the client went away on purpose. `unfinished`: the test ended first. Neither speaks about the server.
Status: TypeAlias = Literal["success", "incomplete", "error", "left", "unfinished"]


@dataclass(slots=True)
class Outcome:
    """One request's figures, all in seconds; NaN is what did not happen.

    Attributes:
        number: Its position among the requests of this test, from 1.
        group: Which kind of client asked: "", "leaver", "slow", "resumer" or "blips".
        due: When its clock began, since the start of the test.
        counted: Whether it was due after the warm-up.
        status: How it ended.
        code: What went wrong, for `incomplete` and `error`.
        late: From when it was due until we began to connect.
        connected: From when it was due until the connection stood.
        headers: From when it was due until the reply's head had arrived.
        ttft: From when it was due until the first text.
        e2e: From when it was due until the terminal frame, or the end of the body in block mode.
        lasted: From when it was due until its end, whatever that was.
        tokens: `completion_tokens` of a whole reply's usage; without one, the pieces that the events' ids count.
        characters: The text's length, reasoning included.
        arrivals: Reads that brought text.
        gap_total: The sum of the times between them.
        gap_most: The longest of these.
        has_usage: Whether `tokens` is the provider's own count.
        returns: How often the client has lost its connection and read on.
        duplicates: Tokens that came twice.
        missing: Tokens that did not come, of a whole reply.
        caught_up: Of each return: from then until the client had all that had come meanwhile.
    """

    number: int
    group: str = ""
    due: float = 0.0
    counted: bool = True
    status: Status = "unfinished"
    code: str = ""
    late: float = math.nan
    connected: float = math.nan
    headers: float = math.nan
    ttft: float = math.nan
    e2e: float = math.nan
    lasted: float = math.nan
    tokens: int = 0
    characters: int = 0
    arrivals: int = 0
    gap_total: float = 0.0
    gap_most: float = 0.0
    has_usage: bool = False
    returns: int = 0
    duplicates: int = 0
    missing: int = 0
    caught_up: list[float] = field(default_factory=list)

    @property
    def mean_gap(self) -> float:
        """The mean time between arrivals of text."""
        return self.gap_total / (self.arrivals - 1) if self.arrivals > 1 else math.nan

    @property
    def tpot(self) -> float:
        """Time per output token after the first."""
        return (self.e2e - self.ttft) / (self.tokens - 1) if self.tokens > 1 else math.nan
