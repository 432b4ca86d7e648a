"""What one client and the model behind it do: drawn from the seed and the client's number alone, so it is repeatable.

The number travels in the client's message. So the model needs no queue that clients could race for, and a retry of
the server meets the same plan.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tools.common.scripted_model import (
    DONE,
    Chunk,
    Close,
    End,
    Headers,
    Pause,
    Reset,
    Send,
    Stall,
    Step,
    Wire,
    document,
    refused,
    usage_of,
)

# A fifth of the clients disconnect; a twentieth read slowly; one in a hundred not at all.
MANNERS = {"stays": 74, "disconnects": 20, "reads slowly": 5, "reads nothing": 1}
# Three quarters of the answers are whole; each way to fail still happens hundreds of times in ten minutes.
FAULTS = {
    "none": 72,
    "reset": 5,
    "cut off": 5,
    "stall": 3,
    "silence": 2,
    "500": 3,
    "500, then well": 3,
    "html": 2,
    "rubbish": 3,
    "error event": 2,
}
#: How each fault may reach a client that stayed; an empty set means a whole answer.
CODES: dict[str, frozenset[str]] = {
    "none": frozenset(),
    "500, then well": frozenset(),
    "reset": frozenset({"upstream_truncated", "upstream_unavailable"}),
    "cut off": frozenset({"upstream_truncated", "upstream_unavailable"}),
    "stall": frozenset({"upstream_timeout"}),
    "silence": frozenset({"upstream_timeout"}),
    "500": frozenset({"upstream_unavailable"}),
    "html": frozenset({"upstream_invalid"}),
    "rubbish": frozenset({"upstream_invalid"}),
    "error event": frozenset({"upstream_unavailable"}),
}
# More than the kernel's buffers on the way to a client take (4 MiB to send, by default), so that its writer waits.
FLOOD_PIECES, FLOOD_PIECE = 700, "0123456789abcdef" * 512


@dataclass(frozen=True, slots=True)
class Plan:
    """One client's visit.

    Attributes:
        index: Which client it is.
        manner: What the client does.
        fault: What the model does.
        tokens: What the model means to say.
        pace: Seconds between tokens.
        breaks_after: After how many tokens the fault comes.
        disconnects_after: After how many events the client disconnects; -1 means before the reply's head.
        resets: Whether it disconnects with a reset.
        hesitates: Seconds for which it waits before it disconnects, or between two reads.
    """

    index: int
    manner: str
    fault: str
    tokens: tuple[str, ...]
    pace: float
    breaks_after: int
    disconnects_after: int
    resets: bool
    hesitates: float

    @property
    def text(self) -> str:
        """What a client that stays gets, if nothing fails."""
        return "".join(self.tokens)

    @property
    def message(self) -> str:
        """What the client says: its number, for the model."""
        return f"client {self.index}"


def plan_of(seed: int, index: int) -> Plan:
    """Draw the plan of one client; the same seed and number give the same plan on every machine."""
    draw = random.Random(seed * 1_000_003 + index)
    manner = draw.choices(list(MANNERS), list(MANNERS.values()))[0]
    fault = draw.choices(list(FAULTS), list(FAULTS.values()))[0]
    count = draw.randint(3, 40)
    tokens = tuple(draw.choice(["word ", "字", "😀", "\n\n", f"{number} "]) for number in range(count))
    if manner == "reads nothing":
        fault, tokens = "none", (FLOOD_PIECE,) * FLOOD_PIECES
    return Plan(
        index=index,
        manner=manner,
        fault=fault,
        tokens=tokens,
        pace=0.0 if manner == "reads nothing" else draw.uniform(0.002, 0.03),
        breaks_after=draw.randint(0, count),
        disconnects_after=draw.randint(-1, count // 2),
        resets=draw.random() < 0.5,
        hesitates=draw.uniform(0.0, 0.05),
    )


class Performer:
    """The model's one script: it reads the client's number and does what that client's plan says."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._refused: set[int] = set()
        self._lock = threading.Lock()
        self.played: Counter[str] = Counter()

    async def play(self, wire: Wire) -> None:
        """Answer one request."""
        said = wire.exchange.body["messages"][-1]["content"]
        plan = plan_of(self._seed, int(said.removeprefix("client ")))
        with self._lock:
            self.played[plan.fault] += 1
            first = plan.index not in self._refused
            if plan.fault == "500, then well":
                self._refused.add(plan.index) if first else self._refused.discard(plan.index)
        for step in self._steps(plan, first_time=first):
            await step.play(wire)
            if wire.over:
                return

    def _steps(self, plan: Plan, *, first_time: bool) -> list[Step]:
        if plan.fault == "silence":
            return [Stall()]
        if plan.fault == "500" or (plan.fault == "500, then well" and first_time):
            return list(refused(500))
        if plan.fault == "html":
            return list(document("<html>a gateway's page</html>"))
        steps: list[Step] = [Headers(), Chunk("", role="assistant")]
        whole = plan.fault in ("none", "500, then well")
        for token in plan.tokens if whole else plan.tokens[: plan.breaks_after]:
            steps += [Pause(plan.pace), Chunk(token)] if plan.pace else [Chunk(token)]
        ends: dict[str, list[Step]] = {
            "reset": [Reset()],
            "cut off": [Close()],
            "stall": [Stall()],
            "rubbish": [Send(b"data: <<<\n\n"), End()],
            "error event": [Send(b'data: {"error": {"message": "no more"}}\n\n'), End()],
        }
        usage: dict[str, Any] = usage_of(3, len(plan.tokens))
        return steps + ends.get(plan.fault, [Chunk(finish_reason="stop"), Chunk(usage=usage), DONE, End()])
