"""What is shown while a load test runs: a small table on a terminal, otherwise a line every few seconds."""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from .histogram import quantile
from .session import Session
from .text_report import milliseconds

if TYPE_CHECKING:
    from rich.console import RenderableType

# Drawing takes time from the clients, so it is done rarely.
DRAW_EVERY: Final = 0.5
LINE_EVERY: Final = 5.0
BARS: Final = " ▁▂▃▄▅▆▇█"


class LiveView:
    """Show a session on standard error while it runs; an asynchronous context manager."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<LiveView of {self._session.doing}>"

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._draw() if sys.stderr.isatty() else self._tell())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(LINE_EVERY)
            print(line(self._session), file=sys.stderr, flush=True)

    async def _draw(self) -> None:
        try:
            from rich.console import Console
            from rich.live import Live
        except ImportError:
            print("(without the package `rich` there is only a line every few seconds)", file=sys.stderr)
            await self._tell()
            return
        console = Console(stderr=True)
        with Live(panel(self._session), console=console, auto_refresh=False, transient=True) as live:
            while True:
                await asyncio.sleep(DRAW_EVERY)
                live.update(panel(self._session), refresh=True)


def line(session: Session) -> str:
    """Return one line about the session now."""
    measurement = session.measurement
    statuses = measurement.statuses
    failed = statuses["error"] + statuses["incomplete"]
    return (
        f"{session.doing} {measurement.now():.0f}/{session.until:.0f} s: {measurement.open} open, "
        f"{statuses['success']} whole, {failed} failed, {token_rate(session):.0f} tokens/s"
    )


def token_rate(session: Session) -> float:
    """Return the tokens a second of the latest full bins."""
    measurement = session.measurement
    full = [bin_.characters for bin_ in measurement.bins[:-1]][-max(1, round(2 / measurement.bin_seconds)) :]
    if not full:
        return 0.0
    return sum(full) * measurement.tokens_per_character / (len(full) * measurement.bin_seconds)


def sparkline(values: list[float], width: int = 40) -> str:
    """Return the latest values as a row of bars."""
    shown = values[-width:]
    most = max(shown, default=0)
    if not most:
        return " " * len(shown)
    return "".join(BARS[round(value / most * (len(BARS) - 1))] for value in shown)


def panel(session: Session) -> RenderableType:
    """Return the table that is drawn on a terminal."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    measurement = session.measurement
    now, statuses = measurement.now(), measurement.statuses
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    shown = [("open", f"{measurement.open}" + (f" ({measurement.waiting} wait)" if measurement.waiting else ""))]
    shown += [(status, str(count)) for status, count in statuses.items()]
    table.add_row("requests", "   ".join(f"[bold]{count}[/] {name}" for name, count in shown))
    if measurement.codes:
        table.add_row("[red]failures[/]", "   ".join(f"{n} {code}" for code, n in measurement.codes.most_common(5)))
    bins = [float(bin_.characters) for bin_ in measurement.bins[:-1]]
    table.add_row("tokens/s", f"[bold]{token_rate(session):>7.0f}[/]  [cyan]{sparkline(bins)}[/]")
    recent = [outcome for outcome in measurement.recent if outcome.status == "success"]
    for name, values in (
        ("TTFT", [outcome.ttft for outcome in recent]),
        ("mean ITL", [outcome.mean_gap for outcome in recent]),
        ("end to end", [outcome.e2e for outcome in recent]),
    ):
        ordered = sorted(value * 1000 for value in values if value == value)
        if ordered:
            p50, p90, p99 = (milliseconds(quantile(ordered, share)) for share in (0.5, 0.9, 0.99))
            table.add_row(name, f"p50 [bold]{p50}[/]   p90 {p90}   p99 {p99}   [dim]last {len(ordered)}[/]")
    for stage in session.stages[-6:]:
        table.add_row(f"{stage.level:g}", f"{stage.throughput:.2f} replies/s, {stage.e2e:.2f} s each")
    if now < measurement.warm_up:
        state = "warming up"
    elif now < session.until:
        state = f"{now:.0f} of {session.until:.0f} s"
    else:
        state = "waiting for open replies"
    head = Table.grid(padding=(0, 2))
    head.add_row(ProgressBar(total=session.until or 1, completed=min(now, session.until), width=40), Text(state))
    return Panel(Group(head, table), title=session.doing, title_align="left", subtitle="Ctrl-C ends it with a report",
                 subtitle_align="right", width=92)  # fmt: skip
