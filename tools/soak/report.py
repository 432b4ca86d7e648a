"""The report of a run: a picture, what was seen, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

from tools.soak.chart import Panel, svg
from tools.soak.samples import Growth, Sample, WorkerSample

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1140px;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;border-bottom:1px solid #ddd}"
    "th{text-align:left}"
    "td.number{text-align:right;font-variant-numeric:tabular-nums}svg{max-width:100%;height:auto}"
    ".bad{color:#b00}.good{color:#060}li{overflow-wrap:anywhere}"
)
# A rate of single seconds is noise; over five of them it is a line.
RATE_OVER = 5


def panels(samples: Sequence[Sample], kills: Sequence[float]) -> list[Panel]:
    """Return the charts of a run."""
    pids = sorted({pid for sample in samples for pid in sample.workers})

    def each_worker(figure: Callable[[WorkerSample], float]) -> dict[str, list[tuple[float, float]]]:
        return {
            f"worker {pid}": [(s.at, figure(s.workers[pid])) for s in samples if pid in s.workers] for pid in pids
        }

    rates = [
        (after.at, (after.visits - before.visits) / (after.at - before.at))
        for before, after in pairwise(samples[::RATE_OVER])
    ]
    answered = [sample for sample in samples if sample.streams is not None]
    return [
        Panel("Resident memory, MiB", each_worker(lambda worker: worker.memory), False, kills),
        Panel("Threads", each_worker(lambda worker: worker.threads), True, kills),
        Panel("Descriptors besides connections", each_worker(lambda worker: worker.descriptors), True, kills),
        Panel("Connections to the model", each_worker(lambda worker: worker.model), True, kills),
        Panel(
            "Open streams, and tasks of the event loops",
            {
                "tasks": [(sample.at, sample.tasks or 0.0) for sample in answered],
                "as the server counts": [(sample.at, sample.streams or 0.0) for sample in answered],
                "as the model sees": [(sample.at, float(sample.answering)) for sample in samples],
            },
            True,
            kills,
        ),
        Panel("Visits ended, per second", {"visits": rates}, True, kills),
        Panel(
            "Waiting, ms",
            {
                "for /metrics": [(sample.at, 1000 * (sample.latency or 0.0)) for sample in answered],
                "the event loop's lag": [(sample.at, 1000 * (sample.lag or 0.0)) for sample in answered],
            },
            True,
            kills,
        ),
        Panel("Connections to clients", each_worker(lambda worker: worker.clients), True, kills),
    ]


def write_report(
    directory: Path,
    *,
    title: str,
    facts: dict[str, object],
    samples: Sequence[Sample],
    kills: Sequence[float],
    growths: Sequence[Growth],
    complaints: Sequence[str],
) -> Path:
    """Write report.html, soak.svg and figures.json, and return the path of the first."""
    directory.mkdir(parents=True, exist_ok=True)
    picture = svg(panels(samples, kills))
    (directory / "soak.svg").write_text(picture, encoding="utf-8")
    figures = {
        "facts": facts,
        "complaints": list(complaints),
        "growth": [_row(growth) for growth in growths],
        "kills": [round(at, 1) for at in kills],
        "samples": _columns(samples),
    }
    # One line for each, as thousands of lines with a number in them are read by nobody.
    lines = ",\n".join(f'"{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in figures.items())
    (directory / "figures.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    kind, verdict = ("bad", f"{len(complaints)} things are wrong.") if complaints else ("good", "All well.")
    wrong = "".join(f"<li>{escape(text)}</li>" for text in complaints)
    told = "".join(f"<tr><th>{escape(name)}<td>{escape(str(value))}" for name, value in facts.items())
    head = "<tr><th>Worker<th>Figure<th>First third<th>Last third<th>Grown<th>At most<th>Why"
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style>"
        f'<h1>{escape(title)}</h1><p class="{kind}">{verdict}</p><ul>{wrong}</ul>{picture}'
        "<p>Dashed lines: a worker was killed. Grown: the Theil-Sen slope over the time after the warm-up.</p>"
        f"<table>{head}{''.join(map(_html_row, growths))}</table><table>{told}</table></html>\n"
    )
    path = directory / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _columns(samples: Sequence[Sample]) -> dict[str, object]:
    """Return what a failed run is looked into with: a number for each sample, null where a worker was not there."""
    pids = sorted({pid for sample in samples for pid in sample.workers})
    return {
        "at": [round(sample.at, 1) for sample in samples],
        "visits": [sample.visits for sample in samples],
        "streams": [sample.streams for sample in samples],
        "memory": {
            str(pid): [round(s.workers[pid].memory, 1) if pid in s.workers else None for s in samples] for pid in pids
        },
    }


def _row(growth: Growth) -> dict[str, object]:
    return {
        "worker": growth.worker,
        "figure": growth.tolerance.figure,
        "first": round(growth.first, 2),
        "last": round(growth.last, 2),
        "grown": round(growth.grown, 2),
        "at_most": growth.tolerance.most,
        "good": growth.good,
    }


def _html_row(growth: Growth) -> str:
    tolerance = growth.tolerance
    numbers = (growth.first, growth.last, growth.grown, tolerance.most)
    cells = "".join(f'<td class="number">{number:.2f}</td>' for number in numbers)
    kind = "good" if growth.good else "bad"
    return (
        f"<tr><td>{growth.worker}</td><td>{tolerance.figure} {tolerance.unit}</td>{cells}"
        f'<td class="{kind}">{escape(tolerance.reason)}</td></tr>'
    )
