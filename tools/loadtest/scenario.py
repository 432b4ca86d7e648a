"""When requests begin and how their clients behave. Times are numbers; chance is a seeded generator.

A plan keeps a number of clients busy, each of which asks again after its answer (`busy_clients`). Or it sends at
moments that do not depend on the answers (`arrivals`), as the users of a public server do.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

SCENARIOS: Final[Mapping[str, str]] = {
    "steady": "the same number of clients, or with --rate the same number of requests a second, all the time",
    "ramp": "from --from to --concurrency clients (or to --rate requests a second), evenly over the duration",
    "burst": "--concurrency requests at one moment, again --every so many seconds",
    "poisson": "--rate requests a second on average, at random moments, as independent people come",
    "leavers": "steady, but a --share of the clients leaves within --leave-within seconds",
    "slow-readers": "steady, but a --share of the clients reads only --read-rate bytes a second",
    "resume": "steady, but a --share of the clients loses its connection within --leave-within seconds, and reads on",
    "blips": "as resume, but again and again during one answer",
    "deploy": "steady, and in the middle our own server gets --signal HUP or TERM",
    "sweep": "more and more clients (or with --rate, requests a second), --stage seconds each, until past the knee",
}

#: Scenarios whose replies go on without their connection.
RESUMING: Final = frozenset({"resume", "blips"})
#: How often a client of `blips` loses its connection during one reply.
MOST_LOSSES: Final = 20
#: Seconds: a connection is not back sooner.
LEAST_AWAY: Final = 0.5
#: A client that was refused does not ask again at once: it would only measure how fast refusals are.
PAUSE_AFTER_FAILURE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one client behaves.

    Attributes:
        group: "" for the usual ones.
        disconnects_after: Seconds after which it goes, if it still has no whole reply.
        read_rate: The bytes a second that it reads; None is all it can get.
        losses: How it loses its connection, one time after the other: after how many seconds, and for how many.
    """

    group: str = ""
    disconnects_after: float | None = None
    read_rate: float | None = None
    losses: tuple[tuple[float, float], ...] = ()


USUAL: Final = Behaviour()


@dataclass(frozen=True)
class Plan:
    """What a driver follows; either `busy_clients` or `arrivals` is given.

    Attributes:
        busy_clients: Seconds since the start -> how many clients should be busy.
        arrivals: The moments, in seconds since the start, at which requests are due; they do not decrease.
        most_open: With `arrivals`: how many may be open at once. Later ones wait, and their clock runs.
        behave: Choose the next client's behaviour.
    """

    busy_clients: Callable[[float], int] | None = None
    arrivals: Iterator[float] | None = None
    most_open: int = 10_000
    behave: Callable[[], Behaviour] = lambda: USUAL


def constant(rate: float) -> Iterator[float]:
    """Yield moments that are evenly apart."""
    return (number / rate for number in itertools.count())


def poisson(rate: float, rng: Random) -> Iterator[float]:
    """Yield moments of a Poisson process: the gaps between them are exponential, with a mean of 1 / rate."""
    moment = 0.0
    while True:
        moment += rng.expovariate(rate)
        yield moment


def bursts(size: int, every: float) -> Iterator[float]:
    """Yield the same moment `size` times, again each `every` seconds."""
    return (every * (number // size) for number in itertools.count())


def ramped(first: float, last: float, seconds: float) -> Iterator[float]:
    """Yield moments whose rate grows evenly from `first` to `last` within `seconds`, and stays there."""
    growth = (last - first) / seconds
    reached = (first + last) / 2 * seconds
    for number in itertools.count():
        if number >= reached:
            yield seconds + (number - reached) / last
        elif abs(growth) < 1e-9:
            yield number / first
        else:
            # `number` requests are due at t where first * t + growth * t * t / 2 = number.
            yield (math.sqrt(max(0.0, first * first + 2 * growth * number)) - first) / growth


def ramped_clients(first: int, last: int, seconds: float) -> Callable[[float], int]:
    """Return how many clients are there after some seconds, on the way from `first` to `last`."""
    return lambda now: round(first + (last - first) * min(1.0, max(0.0, now / seconds)))


def leavers(share: float, within: float, rng: Random) -> Callable[[], Behaviour]:
    """Return a choice by which a share leaves, each at a random moment of the first `within` seconds."""

    def choose() -> Behaviour:
        # Both are drawn for every client, so that another share leaves the others' moments as they are.
        leaves, moment = rng.random() < share, rng.uniform(0, within)
        return Behaviour("leaver", disconnects_after=moment) if leaves else USUAL

    return choose


def resumers(
    share: float, within: float, away: float, rng: Random, *, group: str = "resumer", most: int = 1
) -> Callable[[], Behaviour]:
    """Return a choice by which a share loses its connection at random moments, and comes back.

    Args:
        share: How many of the clients do.
        within: Seconds: each loss is at a random moment of this time, from the request or the last return.
        away: Seconds for which it stays away at most; the least is half a second, where that is less.
        rng: Of all that is random.
        group: The group of these clients.
        most: How often one client loses its connection, where its reply is long enough.
    """

    def choose() -> Behaviour:
        loses = rng.random() < share
        losses = tuple((rng.uniform(0, within), rng.uniform(min(LEAST_AWAY, away), away)) for _ in range(most))
        return Behaviour(group, losses=losses) if loses else USUAL

    return choose


def slow_readers(share: float, read_rate: float, rng: Random) -> Callable[[], Behaviour]:
    """Return a choice by which a share reads slowly."""
    slow = Behaviour("slow", read_rate=read_rate)
    return lambda: slow if rng.random() < share else USUAL


def pause_after(status: str, think_time: float, rng: Random) -> float:
    """Return the seconds until a client whose request ended like this asks again."""
    if status in ("error", "incomplete"):
        # Not all together: they were refused together.
        return max(think_time, PAUSE_AFTER_FAILURE) * rng.uniform(0.5, 1.5)
    return think_time


def levels(most: float, *, whole: bool) -> Iterator[float]:
    """Yield the loads that a sweep tries: 1, 2, 4 ... up to `most` itself, whole numbers or not."""
    level = 1.0
    while level < most:
        yield int(level) if whole else level
        level *= 2
    yield int(most) if whole else most
