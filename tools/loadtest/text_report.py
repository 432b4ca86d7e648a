"""A result -> the report on the terminal."""

from __future__ import annotations

from .result import Deployed, Figures, Outlived, Result, Resumed

#: The figures in the order of a report, and their names in full.
NAMES = {
    "connect": "connection",
    "headers": "reply's head",
    "ttft": "time to first token",
    "itl": "inter-token latency",
    "tpot": "time per output token",
    "e2e": "end to end",
}


def milliseconds(value: float | None) -> str:
    """Write milliseconds with three figures that mean something."""
    if value is None:
        return "-"
    if value >= 9995:
        return f"{value / 1000:.1f} s"
    if value >= 99.95:
        return f"{value:.0f} ms"
    return f"{value:.1f} ms" if value >= 9.995 else f"{value:.2f} ms"


def percent(share: float | None) -> str:
    """Write a share; 100 % is only what is all."""
    if share is None:
        return "-"
    if 0.9995 <= share < 1:
        return "99.9 %"
    return f"{share * 100:.0f} %" if share in (0, 1) else f"{share * 100:.1f} %"


def seconds(value: float | None) -> str:
    """Write seconds."""
    if value is None:
        return "not seen"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def counts(found: dict[str, int]) -> str:
    """Write counts by name."""
    return ", ".join(f"{count} {name}" for name, count in found.items()) or "none"


def text_report(result: Result) -> str:
    """Return the report as text."""
    requests, throughput, goodput = result.requests, result.throughput, result.goodput
    lines = [
        f"{result.scenario} against {result.target}, {result.mode} mode, {result.seconds:.1f} s",
        "",
        f"requests     {requests.counted} counted: {requests.success} success, {requests.incomplete} incomplete, "
        f"{requests.error} error"
        + (f", {requests.left} left on purpose" if requests.left else "")
        + (f", {requests.unfinished} cut off by the end of the test" if requests.unfinished else "")
        + (f" (and {requests.in_warm_up} in the warm-up)" if requests.in_warm_up else ""),
    ]
    for status, codes in result.codes.items():
        lines.append(f"  {status:<11}{counts(codes)}")
    lines += [
        f"throughput   {throughput.requests_per_second:.2f} whole replies/s, "
        f"{throughput.tokens_per_second:.0f} tokens/s in a window of {result.window_seconds:.1f} s",
    ]
    if requests.judged:
        limits = " ".join(f"{name}:{limit:g}" for name, limit in goodput.limits.items()) or "no limits"
        lines.append(
            f"goodput      {goodput.requests_per_second:.2f} good replies/s, "
            f"{percent(goodput.share)} of requests ({limits})"
        )
    if not result.groups:
        lines += ["", *_table(result.latency_ms)]
    for name, group in result.groups.items():
        lines += ["", f"{name}: {counts(group['requests'])}", *_table(group["latency_ms"])]
    if result.outlived is not None:
        lines += ["", *outlived_lines(result.outlived)]
    if result.resumed is not None:
        lines += ["", *resumed_lines(result.resumed)]
    if result.deployed is not None:
        lines += ["", *deployed_lines(result.deployed)]
    if result.swept:
        lines += ["", *_levels(result)]
    lines += ["", busy_line(result)]
    lines += [f"note: {note}" for note in result.notes]
    return "\n".join(lines)


def _table(latency: dict[str, Figures]) -> list[str]:
    if not latency:
        return ["no whole reply to tell times of"]
    lines = [f"{'':<23}{'mean':>10}{'p50':>10}{'p90':>10}{'p99':>10}{'most':>10}"]
    for name, label in NAMES.items():
        if (found := latency.get(name)) is not None:
            columns = (found.mean, found.p50, found.p90, found.p99, found.most)
            lines.append(f"{label:<23}" + "".join(f"{milliseconds(value):>10}" for value in columns))
    return lines


def _levels(result: Result) -> list[str]:
    unit = "req/s" if "rate" in result.settings else "clients"
    lines = [
        f"{unit:>9}{'replies/s':>11}{'tokens/s':>10}{'whole':>9}{'good':>9}"
        f"{'TTFT p50':>11}{'p99':>10}{'e2e mean':>11}{'client':>9}{'server':>9}"
    ]
    lines += [
        f"{each.level:>9g}{each.requests_per_second:>11.2f}{each.tokens_per_second:>10.0f}"
        f"{percent(each.whole_share):>9}{percent(each.good_share):>9}{milliseconds(each.ttft_p50):>11}"
        f"{milliseconds(each.ttft_p99):>10}{milliseconds(each.e2e_mean):>11}"
        f"{percent(each.client_cpu):>9}{percent(each.server_cpu):>9}{'  <- knee' if each.knee else ''}"
        for each in result.swept
    ]
    return lines


def outlived_lines(outlived: Outlived) -> list[str]:
    """Say how long model calls outlived their clients."""
    lines = [
        f"{outlived.left} clients left; the model had not been asked for {outlived.never_called} of them, "
        f"and had ended before for {outlived.ended_before}"
    ]
    if outlived.milliseconds is not None:
        found = outlived.milliseconds
        lines.append(
            f"a model call outlived its client by {milliseconds(found.mean)} on average, "
            f"p50 {milliseconds(found.p50)}, p99 {milliseconds(found.p99)}, at most {milliseconds(found.most)} "
            f"({found.count} calls, {outlived.ended_whole} of them to their own end)"
        )
    return lines


def resumed_lines(resumed: Resumed) -> list[str]:
    """Say what became of replies whose clients lost their connection."""
    missing = "" if resumed.missing is None else f", {resumed.missing} tokens missing"
    lines = [
        f"{resumed.replies} replies were read on after {resumed.returns} losses of their connection: "
        f"{resumed.not_whole} not whole, {resumed.duplicates} duplicates{missing}"
    ]
    if (found := resumed.caught_up_ms) is not None:
        lines.append(
            f"caught up {milliseconds(found.p50)} after the return (p50), p99 {milliseconds(found.p99)}, "
            f"at most {milliseconds(found.most)}"
        )
    if resumed.orphaned_seconds is not None:
        lines.append(
            f"orphaned: {resumed.orphaned_seconds:.2f} s of {resumed.orphaned_calls} model calls that went on after "
            f"their reply's end; {resumed.extra_calls} calls more than replies; {resumed.stopped} replies were "
            "stopped at the end of the test"
        )
    return lines


def deployed_lines(deployed: Deployed) -> list[str]:
    """Say what clients saw of a deployment."""
    if deployed.at is None:
        return ["the test ended before the signal"]
    old, new = ("old workers", "new ones") if deployed.kind == "HUP" else ("old server", "new one")
    lines = [
        f"SIG{deployed.kind} at {deployed.at:.1f} s: {old} gone after {seconds(deployed.old_gone_after)}"
        + (f", {new} ready after {seconds(deployed.back_after)}" if deployed.kind == "TERM" else ""),
        f"open at the signal: {counts(deployed.open_then)}",
        f"failed after it: {counts(deployed.later_failures)}",
        f"time until requests were answered again: {seconds(deployed.outage)}",
    ]
    return [*lines, f"trouble: {deployed.trouble}"] if deployed.trouble else lines


def busy_line(result: Result) -> str:
    """Say how busy everything was."""
    busy = result.busy
    others = "".join(
        f", {name} {percent(share)}"
        for name, share in (("model", busy.model_cpu), ("server", busy.server_cpu))
        if share is not None
    )
    late = "" if busy.requests_late_p99 is None else f", its requests {milliseconds(busy.requests_late_p99)} (p99)"
    return (
        f"busy, of one core while the load went on: client {percent(busy.client_cpu)}{others}; "
        f"the client's timers were {milliseconds(busy.timers_late_p99)} late{late}"
    )
