"""The part of the READMEs that shows a saved run: its main figures, and their date, machine and command."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tools.bench.report import markdown_table
from tools.bench.results import TITLES, Results
from tools.common.bar_chart import short

BEGIN: Final = "<!-- bench: written by `make bench ARGS=--save` -->"
END: Final = "<!-- /bench -->"

_SERVERS: Final = ("sluice", "sync", "fastapi", "asgi")
_NAMES: Final = {"zh": {"asgi": "手工优化的 ASGI", "sync": "Flask + 同步客户端"}}
# Scenario, figure, and heading of its row in each language.
_ROWS: Final = (
    (
        "paced",
        "cpu_us",
        {"en": "CPU time per token, 50 tokens/s in a stream, µs", "zh": "每词元 CPU 时间，每条流每秒 50 个，µs"},
    ),
    (
        "flood",
        "cpu_us",
        {"en": "CPU time per token, as fast as the model sends, µs", "zh": "每词元 CPU 时间，模型全速发送，µs"},
    ),
    ("open", "memory_kb", {"en": "memory per open stream, KB", "zh": "每条打开的流的内存，KB"}),
    ("delay", "delay_p50_ms", {"en": "added delay of a token, median, ms", "zh": "词元的附加延迟，中位数，毫秒"}),
)
_ORIGIN: Final = {
    "en": "{date}, {cores} cores of {cpu}, {kernel}, medians of one run of `{command}`. Other servers, all\n"
    "values, the aims and which of them were met: [bench results](docs/reference/bench/bench.md).",
    "zh": "{date}，{cpu} {cores} 核，{kernel}，同一次 `{command}` 运行的中位数。其他服务器、全部数字、目标及"
    "是否达到，见[测量结果](docs/reference/bench/bench.md)（英文）。",
}


def section(results: Results, language: str) -> str:
    """Return the section, in English (`en`) or Chinese (`zh`). A scenario that was not measured has no row."""
    names = [_NAMES.get(language, {}).get(server, TITLES[server]) for server in _SERVERS]
    rows = [["", *(f"**{name}**" if name == TITLES["sluice"] else name for name in names)]]
    for scenario, figure, headings in _ROWS:
        if scenario in results.turns:
            figures = [short(results.median(scenario, server, figure)) for server in _SERVERS]
            rows.append([headings[language], f"**{figures[0]}**", *figures[1:]])
    facts = {name: results.facts[name] for name in ("cores", "cpu", "kernel", "command")}
    return "\n".join([*markdown_table(rows), "", _ORIGIN[language].format(**facts, date=results.facts["date"][:10])])


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
