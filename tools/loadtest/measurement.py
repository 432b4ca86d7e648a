"""What is written down while a load test runs."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .histogram import Histogram
from .outcome import Outcome

RECENT = 200  # the latest outcomes, for the live view


@dataclass(slots=True)
class Bin:
    """One short span of time."""

    started: int = 0
    success: int = 0
    failed: int = 0
    characters: int = 0
    open_most: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment worth a line in the charts."""

    at: float
    text: str


@dataclass
class Measurement:
    """The figures of one run. Times are seconds since its start; one thread.

    Attributes:
        warm_up: Requests that are due before do not count.
        bin_seconds: How long a bin of the timeline is.
        began: The start on the clock of `time.monotonic`.
        window: The time in which throughput is measured; its end is known only in the end.
        window_characters: Characters of text that arrived in the window.
        open: Requests that are open now.
        waiting: Requests that are due and wait for a free client.
        cpu: CPU seconds that each process used until the window closed, by name; see `meter`.
        meter: Read the CPU seconds so far, by name; called when the run begins and when the window closes.
    """

    warm_up: float = 0.0
    bin_seconds: float = 1.0
    began: float = field(default_factory=time.monotonic)
    window: tuple[float, float] = (0.0, 0.0)
    outcomes: list[Outcome] = field(default_factory=list)
    bins: list[Bin] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    recent: deque[Outcome] = field(default_factory=lambda: deque(maxlen=RECENT))
    loop_late: Histogram = field(default_factory=Histogram)
    statuses: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    open: int = 0
    waiting: int = 0
    started: int = 0
    window_characters: int = 0
    window_closed: bool = False
    cpu: dict[str, float] = field(default_factory=dict)
    meter: Callable[[], dict[str, float]] = dict
    _tokens: int = 0  # of the whole replies
    _characters: int = 0
    _gaps: dict[str, Histogram] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._metered = self.meter()

    def now(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.began

    def mark(self, text: str) -> None:
        """Remember that something happened now."""
        self.marks.append(Mark(self.now(), text))

    def gaps(self, group: str) -> Histogram:
        """Return the gaps between arrivals of text in the replies of one group."""
        return self._gaps.setdefault(group, Histogram())

    def all_gaps(self, without: Iterable[str] = ()) -> Histogram:
        """Return the gaps of all groups but some, together."""
        return Histogram().merge(histogram for group, histogram in self._gaps.items() if group not in without)

    def request_began(self, now: float) -> None:
        """Count a request that is sent."""
        self.started += 1
        self.open += 1
        bin_ = self._bin(now)
        bin_.started += 1
        bin_.open_most = max(bin_.open_most, self.open)

    def text_came(self, now: float, characters: int) -> None:
        """Count text that arrived."""
        if now >= self.warm_up and not self.window_closed:
            self.window_characters += characters
        self._bin(now).characters += characters

    @property
    def tokens_per_character(self) -> float:
        """What the whole replies say; a server joins tokens that wait together, so arrivals cannot be counted."""
        return self._tokens / self._characters if self._characters else 0.0

    def request_ended(self, outcome: Outcome, now: float) -> None:
        """Take a request's outcome."""
        self.open -= 1
        self.outcomes.append(outcome)
        self.recent.append(outcome)
        self.statuses[outcome.status] += 1
        bin_ = self._bin(now)
        if outcome.status == "success":
            bin_.success += 1
            self._tokens += outcome.tokens
            self._characters += outcome.characters
        elif outcome.status in ("incomplete", "error"):
            bin_.failed += 1
            self.codes[outcome.code] += 1

    def sample(self, now: float) -> None:
        """Write down how many are open, for a span in which nothing began."""
        bin_ = self._bin(now)
        bin_.open_most = max(bin_.open_most, self.open)

    def close_window(self, now: float) -> None:
        """End the time in which throughput is measured."""
        if not self.window_closed:
            self.window = (min(self.warm_up, now), now)
            self.window_closed = True
            self.cpu = {name: seconds - self._metered.get(name, 0.0) for name, seconds in self.meter().items()}

    def _bin(self, now: float) -> Bin:
        index = max(0, int(now / self.bin_seconds))
        while len(self.bins) <= index:
            self.bins.append(Bin(open_most=self.open))
        return self.bins[index]
