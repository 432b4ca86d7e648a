"""What is measured, how often, and the figure that each scenario is about."""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tools.bench.load_client import Outcome
from tools.bench.servers import Kind

# Half a core is half of what one Python worker, or one nginx worker, has. The most that the model and the client
# are asked to send and read beside the server on two cores:
_MOST_PER_SECOND = 8000.0
_DELAY_STREAMS = 40
# As many answers as one worker may have open, where the system allows it the descriptors: two for each, and others.
_MOST_OPEN = 10_000
_OTHER_DESCRIPTORS = 400
# Slots of the server whose refusals are measured, all of which are in use.
_SLOTS = 8
_PEERS = ("fastapi", "asgi", "nginx", "sync", "old")
# Readers of one answer.
_READERS = 100


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario."""

    name: str
    title: str
    unit: str
    rounds: int
    #: The fields of `Load`, for a server and the CPU us that a paced token cost it in this run.
    load: Callable[[Kind, float], dict[str, Any]]
    figures: Callable[[Outcome], dict[str, float]]
    #: The figure that is compared; the others stand beside it.
    chief: str
    #: Whether each turn gets a server of its own, with slots for so many streams and so many workers.
    fresh: bool = False
    streams: int = 64
    #: Where the server gets exactly so many slots.
    slots: int = 0
    workers: int = 1
    #: Servers that are left out unless asked for by name.
    without: tuple[str, ...] = ()
    #: The only servers that take part, where there are such.
    servers: tuple[str, ...] = ()
    #: The servers with which the others are compared.
    against: tuple[str, ...] = ("fastapi", "asgi", "nginx")

    def takes(self, kind: Kind, chosen: Sequence[str] | None) -> bool:
        """Return whether a server takes part, of those that were chosen; None for all."""
        if self.servers:
            return kind.name in self.servers
        return not kind.is_variant and (kind.name not in self.without or (chosen is not None and kind.name in chosen))


def _micro(seconds: float, count: int) -> float:
    return seconds / count * 1e6 if count else float("nan")


def per_token(outcome: Outcome) -> dict[str, float]:
    """CPU for each token that arrived."""
    cpu_us = _micro(outcome.server_cpu, outcome.measured_tokens)
    return {
        "cpu_us": cpu_us,
        "tokens_per_core": 1e6 / cpu_us if cpu_us else float("nan"),
        "switches": outcome.switches / max(1, outcome.measured_tokens),
        "delay_p50_ms": outcome.delay_ms.get("p50", float("nan")),
        "delay_p99_ms": outcome.delay_ms.get("p99", float("nan")),
        "load": outcome.server_cpu / outcome.wall,
        "store_us": _micro(outcome.store_cpu, outcome.measured_tokens),
    }


def _per_request(outcome: Outcome) -> dict[str, float]:
    return {
        "cpu_us": _micro(outcome.server_cpu, outcome.whole),
        "switches": outcome.switches / max(1, outcome.whole),
        "first_token_p50_ms": outcome.first_token_ms.get("p50", float("nan")),
        "requests_per_second": outcome.whole / outcome.wall,
    }


def _burst(outcome: Outcome) -> dict[str, float]:
    return {
        **_per_request(outcome),
        "cpu_us": _micro(outcome.server_cpu_whole, outcome.whole),
        "first_token_p99_ms": outcome.first_token_ms.get("p99", float("nan")),
    }


def _many(outcome: Outcome) -> dict[str, float]:
    memory = outcome.memory_open - outcome.memory_before
    return {
        "memory_kb": (memory / outcome.asked / 1024) if outcome.memory_open else float("nan"),
        "health_p50_ms": outcome.health_ms.get("p50", float("nan")),
        "health_p99_ms": outcome.health_ms.get("p99", float("nan")),
        "health_max_ms": outcome.health_ms.get("max", float("nan")),
        **per_token(outcome),
    }


def scenarios(quick: bool) -> list[Scenario]:
    """Return the usual scenarios, in their order."""

    def flood(kind: Kind, _: float) -> dict[str, Any]:
        # Fast servers keep theirs: they take a moment to settle into taking many tokens at once.
        tokens = kind.flood_tokens // (2 if quick and kind.flood_tokens < 1000 else 1)
        return {"streams": 50, "tokens": tokens, "rate": 0.0, "gate": True, "limit": 40.0}

    def half_load(_: Kind, cpu_us: float) -> dict[str, Any]:
        total = min(0.5e6 / cpu_us, _MOST_PER_SECOND) if cpu_us else _MOST_PER_SECOND / 2
        rate = total / _DELAY_STREAMS
        seconds = 1.5 if quick else 5
        return {"streams": _DELAY_STREAMS, "tokens": max(2, round(rate * seconds)), "rate": rate, "limit": 30.0}

    paced = {"streams": 40, "tokens": 60 if quick else 300, "rate": 50.0, "limit": 40.0}
    fixed = {"streams": 8, "tokens": 1, "rate": 0.0, "repeat": 0.7 if quick else 2.0, "limit": 20.0}
    count = 200 if quick else 1000
    many = {"streams": count, "tokens": 4 if quick else 8, "rate": 1.0, "gate": True, "probe": True, "limit": 60.0}
    most = 400 if quick else most_open()
    seconds = 2 if quick else 20
    open_10k = {"streams": most, "tokens": 2, "rate": 1 / seconds, "gate": True, "probe": True, "limit": 180.0}
    burst = {"streams": count, "tokens": 2, "rate": 0.0, "limit": 60.0}
    refused = {**fixed, "held": _SLOTS}
    kept = {**paced, "tokens": 300}
    read = {"streams": 1, "readers": _READERS, "tokens": 150 if quick else 500, "rate": 50.0, "limit": 40.0}
    return [
        Scenario(
            "paced",
            f"40 streams of {paced['tokens']} tokens at 50 tokens/s each",
            "CPU us/token",
            2 if quick else 3,
            lambda kind, cpu_us: paced,
            per_token,
            "cpu_us",
        ),
        Scenario(
            "flood", "50 streams as fast as they come", "CPU us/token", 2 if quick else 3, flood, per_token, "cpu_us"
        ),
        Scenario(
            "fixed",
            "answers of 1 token, 8 at a time",
            "CPU us/request",
            1 if quick else 3,
            lambda kind, cpu_us: fixed,
            _per_request,
            "cpu_us",
        ),
        Scenario(
            "open",
            f"{count:,} open streams on one worker, a token a second each",
            "KB/stream",
            1,
            lambda kind, cpu_us: {**many, "ramp": 250.0},
            _many,
            "memory_kb",
            fresh=True,
            streams=count,
            # A client and its TLS context for each of a thousand requests is minutes of work and gigabytes.
            without=("old", "sync") if quick else ("old",),
        ),
        Scenario(
            "open10k",
            f"{most:,} open streams on one worker, a token in {seconds} s each",
            "KB/stream",
            1,
            lambda kind, cpu_us: {**open_10k, "ramp": 250.0},
            _many,
            "memory_kb",
            fresh=True,
            streams=most,
            # The openai package opens at most 1,000 connections.
            without=("fastapi", "sync", "old"),
        ),
        Scenario(
            "burst",
            f"{count:,} new chats at once on one worker",
            "ms to the first token, p50",
            1 if quick else 3,
            lambda kind, cpu_us: burst,
            _burst,
            "first_token_p50_ms",
            fresh=True,
            streams=count,
            without=("sync", "old"),
        ),
        Scenario(
            "refusals",
            f"chats that are refused while all {_SLOTS} slots are in use, 8 at a time",
            "CPU us/refusal",
            1 if quick else 3,
            lambda kind, cpu_us: refused,
            _per_request,
            "cpu_us",
            fresh=True,
            slots=_SLOTS,
            # They have no limit.
            without=_PEERS,
        ),
        Scenario(
            "continue",
            f"40 streams of {kept['tokens']} tokens at 50 tokens/s each, which go on without their connection",
            "CPU us/token",
            3 if quick else 5,
            lambda kind, cpu_us: kept,
            per_token,
            "cpu_us",
            servers=("sluice", "sluice-sqlite", "sluice-valkey"),
            against=("sluice",),
        ),
        Scenario(
            "encodings",
            f"40 streams of {kept['tokens']} tokens at 50 tokens/s each, in each encoding",
            "CPU us/token",
            3 if quick else 5,
            lambda kind, cpu_us: kept,
            per_token,
            "cpu_us",
            servers=("sluice", "sluice-openai", "sluice-aisdk", "nginx"),
            against=("sluice", "nginx"),
        ),
        Scenario(
            "encodings-flood",
            "50 streams as fast as they come, in each encoding",
            "CPU us/token",
            3,
            flood,
            per_token,
            "cpu_us",
            servers=("sluice", "sluice-openai", "sluice-aisdk", "nginx"),
            against=("sluice", "nginx"),
        ),
        Scenario(
            "readers",
            f"{_READERS} readers of one answer of {read['tokens']} tokens at 50 tokens/s, beside the first one",
            "CPU us/token and reader",
            2 if quick else 3,
            lambda kind, cpu_us: read,
            per_token,
            "cpu_us",
            fresh=True,
            streams=_READERS + 1,
            servers=("sluice-sqlite", "sluice-valkey"),
            against=(),
        ),
        Scenario(
            "delay",
            "delay of each token where the server uses half a core",
            "ms, p50",
            1 if quick else 2,
            half_load,
            per_token,
            "delay_p50_ms",
            without=("old", "sync") if quick else (),
        ),
    ]


def most_open() -> int:
    """Return how many streams the scenario of 10,000 has: as many as a server may have descriptors for."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _MOST_OPEN if hard == resource.RLIM_INFINITY else min(_MOST_OPEN, (hard - _OTHER_DESCRIPTORS) // 2)


def growth(quick: bool) -> list[Scenario]:
    """Return the scenarios of `--growth`: from 1 to 1,000 streams, and from 1 to 4 workers."""
    seconds = 2 if quick else 5

    def loaded(streams: int, rate: float) -> Callable[[Kind, float], dict[str, Any]]:
        # Enough tokens that a stream's end, which is counted too, weighs little among them.
        tokens = max(4 if quick else 12, round(rate * seconds) + 1)
        load = {"streams": streams, "tokens": tokens, "rate": rate, "gate": True}
        return lambda kind, cpu_us: {**load, "ramp": 250.0, "limit": 60.0}

    def grown(name: str, title: str, streams: int, rate: float, workers: int) -> Scenario:
        return Scenario(
            name,
            title,
            "CPU us/token",
            1 if quick else 2,
            loaded(streams, rate),
            per_token,
            "cpu_us",
            fresh=True,
            streams=max(64, streams),
            workers=workers,
            without=("old", "sync"),
        )

    rates = {streams: min(50.0, 1000 / streams) for streams in (1, 10, 30, 100, 300, 1000)}
    return [
        *(
            grown(f"streams-{streams}", f"{streams:,} streams at {rate:.3g} tokens/s", streams, rate, 1)
            for streams, rate in rates.items()
        ),
        *(
            grown(f"workers-{workers}", f"80 streams at 25 tokens/s, {workers} workers", 80, 25.0, workers)
            for workers in (1, 2, 3, 4)
        ),
    ]
