"""Find the knee: the load above which answers become slower and not more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Of the counted requests, those that must be whole, and good where limits are given.
WHOLE_NEEDED: Final = 0.99
GOOD_NEEDED: Final = 0.95
#: Power this far below the best, twice in a row, says that the knee is behind us.
SURE: Final = 0.75


@dataclass(frozen=True, slots=True)
class Stage:
    """One level of a sweep.

    Attributes:
        level: Clients, or requests a second.
        throughput: Whole replies a second.
        e2e: The mean time of one, in seconds.
        whole_share: Of the counted requests, those whose replies were whole; NaN where none ended.
        good_share: Those that kept the limits; of all whole ones where there are none.
    """

    level: float
    throughput: float
    e2e: float
    whole_share: float
    good_share: float
    limited: bool = False

    @property
    def says_something(self) -> bool:
        """Whether any request of this level ended, so that it can be judged."""
        return not math.isnan(self.whole_share)

    @property
    def power(self) -> float:
        """Throughput divided by response time: it grows until the server is full and falls after that."""
        return self.throughput / self.e2e if self.e2e > 0 else 0.0

    @property
    def holds(self) -> bool:
        """Whether the server stood this level."""
        if not self.whole_share >= WHOLE_NEEDED:
            return False
        return not self.limited or self.good_share >= GOOD_NEEDED


def find_knee(stages: Sequence[Stage]) -> Stage | None:
    """Return the knee: with limits the highest level that still holds, without them the one of the most power.

    None where not even the lowest level holds.
    """
    ordered = sorted((stage for stage in stages if stage.says_something), key=lambda stage: stage.level)
    standing = []
    for stage in ordered:
        if not stage.holds:
            break
        standing.append(stage)
    if not standing:
        return None
    return standing[-1] if standing[-1].limited else max(standing, key=lambda stage: stage.power)


def is_past_knee(stages: Sequence[Stage]) -> bool:
    """Whether the last levels that were tried say that a higher one needs no trial."""
    stages = [stage for stage in stages if stage.says_something]
    if not stages:
        return False
    if not stages[-1].holds:
        return True
    if stages[-1].limited or len(stages) < 3:
        return False
    best = max(stage.power for stage in stages)
    return all(stage.power < SURE * best for stage in stages[-2:])


def between(stages: Sequence[Stage]) -> list[float]:
    """Return the levels, halfway from the knee to its neighbours, that would make it more precise."""
    knee = find_knee(stages)
    if knee is None:
        return []
    below = [stage.level for stage in stages if stage.level < knee.level]
    above = [stage.level for stage in stages if stage.level > knee.level]
    middles = [math.sqrt(max(below) * knee.level)] if below and not knee.limited else []
    middles += [math.sqrt(min(above) * knee.level)] if above else []
    whole = all(float(stage.level).is_integer() for stage in stages)
    tried = {stage.level for stage in stages}
    return [
        level for level in (round(middle) if whole else round(middle, 2) for middle in middles) if level not in tried
    ]
