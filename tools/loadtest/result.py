"""What a load test found, as its reports and its JSON have it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

#: Groups whose clients are slow by intention; their times are told apart.
SLOW_BY_INTENTION: Final = frozenset({"slow"})
#: A client busier or later than this measures itself.
BUSY: Final = 0.85
LATE_MS: Final = 50.0


class Figures(msgspec.Struct):
    """One distribution, in milliseconds.

    `quantiles` are those of 0 to 100 per cent.
    """

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    least: float
    most: float
    quantiles: list[float] = []


class Requests(msgspec.Struct):
    """How the requests that were due after the warm-up ended."""

    counted: int = 0
    success: int = 0
    incomplete: int = 0
    error: int = 0
    left: int = 0
    unfinished: int = 0
    in_warm_up: int = 0
    never_sent: int = 0

    @property
    def judged(self) -> int:
        """Those that speak for or against the server."""
        return self.success + self.incomplete + self.error


class Throughput(msgspec.Struct):
    """What came within the window."""

    requests_per_second: float
    tokens_per_second: float
    tokens: int
    tokens_per_arrival: float
    tokens_from_usage: bool


class Goodput(msgspec.Struct):
    """Whole replies that kept the limits."""

    limits: dict[str, float]
    good: int
    share: float
    requests_per_second: float


class Busy(msgspec.Struct):
    """Shares of one core until the load ended, and the milliseconds by which the client was late."""

    client_cpu: float
    timers_late_p99: float
    requests_late_p99: float | None
    model_cpu: float | None = None
    server_cpu: float | None = None

    @property
    def too_busy(self) -> bool:
        """Whether the client was the bottleneck."""
        return self.client_cpu > BUSY

    @property
    def too_late(self) -> bool:
        """Whether the client had to wait for a core."""
        return self.timers_late_p99 > LATE_MS


class TimeBin(msgspec.Struct):
    """A span of the timeline; `at` is its begin."""

    at: float
    started: int
    success: int
    failed: int
    open: int
    tokens_per_second: float
    ttft_p50: float | None
    ttft_p90: float | None


class Reply(msgspec.Struct):
    """One request: when it was due, in seconds, and what came of it, in milliseconds."""

    at: float
    counted: bool
    status: str
    code: str
    group: str
    ttft_ms: float | None
    itl_ms: float | None
    lasted_ms: float | None
    tokens: int


class Outlived(msgspec.Struct):
    """How long model calls went on after their client had left."""

    left: int
    never_called: int
    ended_before: int
    ended_whole: int
    milliseconds: Figures | None


class Resumed(msgspec.Struct):
    """What became of replies whose clients lost their connection and read on.

    `missing` tokens and what follows are known only of our own model. `orphaned` calls went on after their reply had
    ended for its client, or was stopped; `extra_calls` asked a second time for one reply.
    """

    replies: int
    returns: int
    not_whole: int
    duplicates: int
    caught_up_ms: Figures | None
    stopped: int
    missing: int | None = None
    orphaned_calls: int | None = None
    orphaned_seconds: float | None = None
    extra_calls: int | None = None


class Deployed(msgspec.Struct):
    """What clients saw of a deployment; seconds."""

    kind: str
    at: float | None
    old_gone_after: float | None
    back_after: float | None
    open_then: dict[str, int]
    later_failures: dict[str, int]
    outage: float | None
    trouble: str


class Swept(msgspec.Struct):
    """One level of a sweep."""

    level: float
    requests_per_second: float
    tokens_per_second: float
    whole_share: float | None
    good_share: float | None
    ttft_p50: float | None
    ttft_p99: float | None
    e2e_mean: float | None
    itl_p99: float | None
    codes: dict[str, int]
    client_cpu: float
    server_cpu: float | None
    knee: bool = False


class Result(msgspec.Struct, kw_only=True):
    """Everything that a report says."""

    sluice_load_test: int = 1
    scenario: str
    target: str
    began: str
    mode: str
    settings: dict[str, Any]
    seconds: float
    warm_up_seconds: float
    window_seconds: float
    interrupted: bool
    requests: Requests
    codes: dict[str, dict[str, int]]
    throughput: Throughput
    latency_ms: dict[str, Figures]
    groups: dict[str, dict[str, Any]] = {}
    goodput: Goodput
    busy: Busy
    timeline: list[TimeBin] = []
    replies: list[Reply] = []
    bin_seconds: float = 1.0
    marks: list[tuple[float, str]] = []
    outlived: Outlived | None = None
    resumed: Resumed | None = None
    deployed: Deployed | None = None
    swept: list[Swept] = []
    notes: list[str] = []
