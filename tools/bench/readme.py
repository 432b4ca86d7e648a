"""The part of the READMEs that shows a saved run: a table, and its date, machine and command."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from tools.bench.report import markdown_table
from tools.bench.results import DIRECT, TITLES, Results
from tools.common.bar_chart import short

BEGIN: Final = "<!-- bench: written by `make bench ARGS=--save` -->"
END: Final = "<!-- /bench -->"

# Scenario, figure, and heading in each language.
_COLUMNS: Final = (
    ("paced", "cpu_us", {"en": "paced, CPU µs/token", "zh": "匀速，CPU µs/词元"}),
    ("flood", "cpu_us", {"en": "flood, CPU µs/token", "zh": "满速，CPU µs/词元"}),
    ("fixed", "cpu_us", {"en": "CPU µs/request", "zh": "CPU µs/请求"}),
    ("open", "memory_kb", {"en": "KB per open stream", "zh": "每条打开的流 KB"}),
    ("delay", "delay_p50_ms", {"en": "added delay p50, ms", "zh": "附加延迟 p50，毫秒"}),
    ("delay", "delay_p99_ms", {"en": "p99, ms", "zh": "p99，毫秒"}),
)
_NAMES: Final = {
    "zh": {
        "asgi": "手工优化的 ASGI",
        "nginx": "nginx，原样转发字节",
        "sync": "Flask + 同步客户端",
        "old": "Flask，每个请求一个循环",
    }
}
_SAID: Final = {
    "en": "{date}, {cores} cores of {cpu}, {kernel}, medians of one run of `{command}`. Paced: 40 streams of 50\n"
    "tokens/s each. Flood: 50 streams, as fast as the model sends. All values, the aims and which of them were met:\n"
    "[bench results](docs/reference/bench/bench.md).",
    "zh": "{date}，{cpu} {cores} 核，{kernel}，同一次 `{command}` 运行的中位数。匀速：40 个流，各为每秒 50 个词元；"
    "满速：50 个流，模型能发多快就发多快。全部数字、目标及是否达到，见"
    "[测量结果](docs/reference/bench/bench.md)（英文）。",
}


def section(results: Results, language: str) -> str:
    """Return the section, in English (`en`) or Chinese (`zh`); servers by what a paced token costs them."""
    columns = [column for column in _COLUMNS if column[0] in results.turns]
    servers = list(dict.fromkeys(name for found in results.turns.values() for name in found if name != DIRECT))
    servers.sort(key=lambda name: -_or(results.median(columns[0][0], name, columns[0][1]), 0.0))
    rows = [["", *(headings[language] for _, _, headings in columns)]]
    for server in servers:
        figures = [short(results.median(scenario, server, figure)) for scenario, figure, _ in columns]
        row = [_NAMES.get(language, {}).get(server, TITLES[server]), *figures]
        rows.append([f"**{cell}**" for cell in row] if server == "sluice" else row)
    facts = {name: results.facts[name] for name in ("cores", "cpu", "kernel", "command")}
    said = _SAID[language].format(**facts, date=results.facts["date"][:10])
    return "\n".join([*markdown_table(rows), "", said])


def refresh(path: Path, text: str) -> None:
    """Put a section between the marks of a README.

    Raises:
        ValueError: It has no such marks.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path.name} should have {BEGIN} and, after it, {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _or(value: float, other: float) -> float:
    return other if math.isnan(value) else value
