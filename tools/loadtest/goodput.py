"""Goodput: which whole replies were also quick enough, by limits such as `ttft:500 itl:50`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from .outcome import Outcome

#: What a limit may name, and the figure of one reply, in seconds, that it holds down.
FIGURES: Final[Mapping[str, Callable[[Outcome], float]]] = {
    "ttft": lambda outcome: outcome.ttft,
    "itl": lambda outcome: outcome.mean_gap,
    "gap": lambda outcome: outcome.gap_most,
    "tpot": lambda outcome: outcome.tpot,
    "e2e": lambda outcome: outcome.e2e,
}


class Limits:
    """The limits, in milliseconds by name, that a good reply keeps. Without any, every whole reply is good."""

    def __init__(self, milliseconds: Mapping[str, float]) -> None:
        self.milliseconds = dict(milliseconds)
        self._checks = [(FIGURES[name], limit / 1000) for name, limit in milliseconds.items()]

    def __repr__(self) -> str:
        return f"<Limits {self}>"

    def __str__(self) -> str:
        return " ".join(f"{name}:{limit:g}" for name, limit in self.milliseconds.items())

    def __bool__(self) -> bool:
        return bool(self.milliseconds)

    def are_kept(self, outcome: Outcome) -> bool:
        """Whether the reply is whole and no figure of it is over its limit; one that it does not have is not."""
        if outcome.status != "success":
            return False
        return not any(figure(outcome) > limit for figure, limit in self._checks)


def read_limits(texts: Sequence[str]) -> Limits:
    """Read limits as they are typed.

    Raises:
        ValueError: One is bad; the text says what would be right.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, colon, number = text.partition(":")
        if name == "e2el":  # as another tool calls it
            name = "e2e"
        if name not in FIGURES or not colon:
            near = difflib.get_close_matches(name, FIGURES, n=1, cutoff=0.5)
            meant = f"; did you mean {near[0]}:{number or '500'}?" if near else ""
            raise ValueError(f"a limit should be a name and milliseconds, such as ttft:500, not {text!r}; "
                             f"the names are {', '.join(FIGURES)}{meant}")  # fmt: skip
        try:
            limit = float(number)
        except ValueError:
            limit = math.nan
        if not 0 < limit < math.inf:
            raise ValueError(f"the limit of {name} should be milliseconds above 0, such as {name}:500, not {text!r}")
        if name in found:
            raise ValueError(f"{name} should have one limit, not two")
        found[name] = limit
    return Limits(found)
