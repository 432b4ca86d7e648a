"""The report of a run: a picture, what was seen, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from itertools import cycle, pairwise
from pathlib import Path

from tools.common.line_chart import Chart, Series
from tools.common.report_page import card, chart_card, lines, page
from tools.soak.samples import Growth, Sample, WorkerSample

# A rate of single seconds is noise; over five of them it is a line.
RATE_OVER = 5
COLOURS = ("--blue", "--amber", "--teal", "--red", "--grey")


def charts(samples: Sequence[Sample], kills: Sequence[float]) -> list[Chart]:
    """Return the charts of a run."""
    pids = sorted({pid for sample in samples for pid in sample.workers})
    answered = [sample for sample in samples if sample.streams is not None]
    end = samples[-1].at if samples else None
    marks = [(at, "killed") for at in kills]

    def chart(
        title: str, unit: str, values: dict[str, list[tuple[float, float]]], *, from_zero: bool = True
    ) -> Chart:
        series = [Series(name, colour, points) for (name, points), colour in zip(values.items(), cycle(COLOURS))]
        return Chart(title, "seconds", unit, series, marks=marks, end=end, from_zero=from_zero)

    def of_each_worker(
        title: str, unit: str, value: Callable[[WorkerSample], float], *, from_zero: bool = True
    ) -> Chart:
        values = {
            f"worker {pid}": [(s.at, value(s.workers[pid])) for s in samples if pid in s.workers] for pid in pids
        }
        return chart(title, unit, values, from_zero=from_zero)

    rates = [
        (after.at, (after.visits - before.visits) / (after.at - before.at))
        for before, after in pairwise(samples[::RATE_OVER])
    ]
    tasks = {
        "tasks": [(sample.at, sample.tasks or 0.0) for sample in answered],
        "as the server counts": [(sample.at, sample.streams or 0.0) for sample in answered],
        "as the model sees": [(sample.at, float(sample.answering)) for sample in samples],
    }
    waits = {
        "for /metrics": [(sample.at, 1000 * (sample.latency or 0.0)) for sample in answered],
        "the event loop's lag": [(sample.at, 1000 * (sample.lag or 0.0)) for sample in answered],
    }
    return [
        of_each_worker("Resident memory", "MiB", lambda worker: worker.memory, from_zero=False),
        of_each_worker("Threads", "threads", lambda worker: worker.threads),
        of_each_worker("Descriptors besides connections", "descriptors", lambda worker: worker.descriptors),
        of_each_worker("Connections to the model", "connections", lambda worker: worker.model),
        chart("Open streams, and tasks of the event loops", "streams, tasks", tasks),
        chart("Visits ended", "visits/s", {"visits": rates}),
        chart("Waiting", "milliseconds", waits),
        of_each_worker("Connections to clients", "connections", lambda worker: worker.clients),
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
    """Write report.html and figures.json, and return the path of the first."""
    directory.mkdir(parents=True, exist_ok=True)
    figures = {
        "facts": facts,
        "complaints": list(complaints),
        "growth": [_row(growth) for growth in growths],
        "kills": [round(at, 1) for at in kills],
        "samples": _columns(samples),
    }
    # One line for each, as thousands of lines with a number in them are read by nobody.
    columns = ",\n".join(f'"{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in figures.items())
    (directory / "figures.json").write_text(f"{{\n{columns}\n}}\n", encoding="utf-8")
    verdict = f"{len(complaints)} things are wrong." if complaints else "All well."
    wrong = "".join(f"<li>{escape(text)}</li>" for text in complaints)
    told = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    heads = ("worker", "value", "first third", "last third", "grown", "at most")
    head = "".join(f"<th>{name}</th>" for name in heads)
    rows = "".join(map(_html_row, growths))
    html = page(
        title,
        verdict,
        f'<ul class="notes">{wrong}</ul>' if wrong else "",
        [
            *map(chart_card, charts(samples, kills)),
            card(
                "What grew after the warm-up",
                f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
                + lines(sorted({f"{each.tolerance.figure}: {each.tolerance.reason}" for each in growths})),
                wide=True,
            ),
            card("What was run", f"<dl>{told}</dl>", wide=True),
        ],
        "Sluice soak. Grown: the Theil-Sen slope over the time after the warm-up.",
    )
    path = directory / "report.html"
    path.write_text(html, encoding="utf-8")
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
    cells = "".join(f"<td>{number:.2f}</td>" for number in numbers)
    kind = "good" if growth.good else "bad"
    return f'<tr class="{kind}"><td>{growth.worker}</td><td>{tolerance.figure} {tolerance.unit}</td>{cells}</tr>'
