"""Reports of all kinds: charts, the page, the text, the live view."""

from __future__ import annotations

import io
import itertools
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from tools.common.line_chart import Chart, Series, log_ticks, number, svg, ticks
from tools.loadtest.html_charts import charts
from tools.loadtest.html_report import html_report
from tools.loadtest.live import line, panel, sparkline
from tools.loadtest.measurement import Measurement
from tools.loadtest.options import read_options
from tools.loadtest.outcome import Outcome
from tools.loadtest.prompts import Prompts
from tools.loadtest.result import (
    Busy,
    Deployed,
    Figures,
    Goodput,
    Outlived,
    Reply,
    Requests,
    Result,
    Resumed,
    Swept,
    Throughput,
    TimeBin,
)
from tools.loadtest.session import Session
from tools.loadtest.target import Target
from tools.loadtest.text_report import milliseconds, percent, text_report


def made_up(**fields: object) -> Result:
    times = Figures(3, 200.0, 190.0, 250.0, 300.0, 100.0, 310.0, [100.0 + percent * 2 for percent in range(101)])
    values: dict[str, object] = {
        "scenario": "steady", "target": "http://<b>&", "began": "2026-01-02T03:04:05+00:00", "mode": "stream",
        "settings": {"concurrency": 3}, "seconds": 10.0, "warm_up_seconds": 1.0, "window_seconds": 9.0,
        "interrupted": False, "requests": Requests(5, 3, 1, 1), "throughput": Throughput(1.5, 60, 540, 1.1, True),
        "codes": {"error": {"overloaded": 1}, "incomplete": {"cut_off": 1}},
        "latency_ms": {"ttft": times, "itl": times, "e2e": times},
        "goodput": Goodput({"ttft": 500.0}, 3, 0.6, 1.2), "busy": Busy(0.1, 1.0, 0.2, 0.1, 0.5),
        "timeline": [TimeBin(at / 1, 2, 1, at % 2, 3, 60.0, 200.0 if at != 4 else None, 250.0) for at in range(10)],
        "marks": [(4.0, "SIGTERM"), (4.1, "old <gone>")], "notes": ["A note & more."],
        "replies": [
            Reply(1.0, True, "success", "", "", 110.0, 20.0, 900.0, 40),
            Reply(4.0, True, "error", "overloaded", "", None, None, 3.0, 0),
            Reply(5.0, True, "success", "", "slow", 400.0, 90.0, 2000.0, 40),
            Reply(6.0, True, "left", "", "leaver", None, None, 300.0, 0),
        ],
    }  # fmt: skip
    return Result(**(values | fields))  # type: ignore[arg-type]


ALL_KINDS = {
    "plain": made_up(),
    "nothing": made_up(requests=Requests(), codes={}, latency_ms={}, timeline=[], marks=[], notes=[]),
    "leavers": made_up(outlived=Outlived(4, 1, 1, 0, Figures(2, 5.0, 5.0, 6.0, 6.0, 4.0, 6.0))),
    "blips": made_up(resumed=Resumed(4, 9, 1, 2, Figures(9, 5.0, 5.0, 6.0, 7.0, 4.0, 8.0), 3, 0, 2, 1.5, 0)),
    "blips of a server elsewhere": made_up(resumed=Resumed(0, 0, 0, 0, None, 0)),
    "deploy": made_up(deployed=Deployed("TERM", 4.0, 1.0, 2.0, {"whole": 3}, {"no_answer": 1}, 1.5, "late")),
    "groups": made_up(groups={"slow": {"requests": {"success": 2}, "latency_ms": {}}}),
    "sweep": made_up(
        swept=[Swept(2.0**n, 2.0, 80.0, 1.0, 0.9, 100.0, None, 500.0, 30.0, {}, 0.1, 0.5, n == 2) for n in range(5)]
    ),
}


class Reader(HTMLParser):
    """Hold a page to being well-formed and to needing nothing but itself."""

    VOID = frozenset({"meta", "line", "rect", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.charts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "link", "iframe")
        assert not {"src", "href", "srcset"} & {name for name, _ in attrs}
        assert "nan" not in str([value for name, value in attrs if name in ("d", "x", "y", "cx", "cy")])
        self.charts += tag == "svg"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_report_page_is_well_formed_and_self_contained(kind: str) -> None:
    page = html_report(ALL_KINDS[kind])
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    assert reader.charts == {"nothing": 0, "sweep": 9}.get(kind, 5)
    assert "url(" not in page
    assert "@import" not in page
    assert "<b>&" not in page
    assert "prefers-color-scheme: dark" in page


def test_the_text_report_has_the_same_values() -> None:
    texts = {kind: text_report(result) for kind, result in ALL_KINDS.items()}
    for text in texts.values():
        assert "requests " in text
        assert "busy, of one core while the load went on: client 10.0 %, model 10.0 %, server 50.0 %" in text
    assert "SIGTERM at 4.0 s: old server gone after 1.0 s, new one ready after 2.0 s" in texts["deploy"]
    assert "outlived its client by 5.00 ms on average" in texts["leavers"]
    assert (
        "4 replies were read on after 9 losses of their connection: 1 not whole, 2 duplicates, 0 tokens missing"
        in (texts["blips"])
    )
    assert "orphaned: 1.50 s of 2 model calls" in texts["blips"]
    assert "missing" not in texts["blips of a server elsewhere"]
    assert texts["sweep"].count("<- knee") == 1


def test_ticks_are_few_and_round_and_reach_the_end() -> None:
    for most in (0.003, 0.9, 1, 7, 99, 101, 12_345, 4e6):
        found = ticks(most)
        assert found[0] == 0
        assert found[-1] >= most * 0.999
        assert 3 <= len(found) <= 8
        assert all(len(number(tick)) <= 6 for tick in found)
        assert all(before < after for before, after in itertools.pairwise(log_ticks(most / 50, most)))
        assert log_ticks(most / 50, most)[0] <= most / 50


def test_a_chart_of_one_point_or_of_nothing_is_drawn() -> None:
    assert "<svg" in svg(Chart("t", "x", "y", [Series("s", "--blue", [(1.0, 1.0)])], log_x=True))
    assert "<svg" in svg(Chart("t", "x", "y", [Series("s", "--blue", [(0.0, 0.0)])]))
    assert "<svg" not in svg(Chart("t", "x", "y", [Series("s", "--blue", [(1.0, None)])]))


def test_every_reply_and_failure_is_a_dot_and_the_limit_a_line() -> None:
    drawn = next(svg(chart) for chart in charts(made_up()) if chart.title.startswith("Time to first token"))
    dots = dict(re.findall(r'class="dots" stroke="var\(--(\w+)\)" d="([^"]*)"', drawn))
    assert {colour: path.count("M") for colour, path in dots.items()} == {"grey": 1, "teal": 1, "red": 1}
    assert drawn.count('class="limit"') == 1
    assert charts(made_up(marks=[(12.5, "new server ready")]))[0].end == 12.5


@pytest.mark.parametrize(("from_zero", "height"), [(True, (0, 2)), (False, (30, 200))])
def test_an_axis_that_does_not_begin_at_zero_shows_a_small_change_of_a_large_value(
    from_zero: bool, height: tuple[float, float]
) -> None:
    series = [Series("s", "--blue", [(0.0, 1000.0), (60.0, 1005.0)])]
    drawn = svg(Chart("t", "x", "y", series, from_zero=from_zero))
    begins, ends = (float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", drawn))
    assert height[0] <= begins - ends <= height[1]
    flat = [Series("s", "--blue", [(0.0, 7.0), (1.0, 7.0)])]
    assert ">7<" in svg(Chart("t", "x", "y", flat, from_zero=False))


def test_labels_of_a_chart_do_not_overlap() -> None:
    marks = [(5.0, "old server gone"), (5.1, "new server ready"), (9.9, "end")]
    line = Series("s", "--blue", [(0.0, 1.0), (10.0, 1.0)])
    drawn = svg(Chart("t", "x", "y", [line], marks=marks, shaded=[(0.0, 6.0, "warm-up")]))
    words = [
        (float(x), float(y), word)
        for x, y, word in re.findall(
            r'class="(?:marked|tick)" text-anchor="\w+" x="([\d.]+)" y="([\d.]+)">([a-z -]+)<', drawn
        )
    ]
    assert [word for _, _, word in words] == ["warm-up", "old server gone", "new server ready", "end"]
    top = min(float(y) for y in re.findall(r'class="grid"[^>]* y1="([\d.]+)"', drawn))
    assert max(y for _, y, _ in words) < top
    heights = {word: y for _, y, word in words}
    assert heights["old server gone"] != heights["new server ready"]


def test_values_are_written_with_their_units() -> None:
    assert [milliseconds(value) for value in (None, 0.123, 9.994, 9.995, 99.9, 99.96, 1234.4, 9995.0)] == [
        "-", "0.12 ms", "9.99 ms", "10.0 ms", "99.9 ms", "100 ms", "1234 ms", "10.0 s",
    ]  # fmt: skip
    assert [percent(share) for share in (0, 0.5, 0.99949, 0.99999, 1)] == [
        "0 %",
        "50.0 %",
        "99.9 %",
        "99.9 %",
        "100 %",
    ]


def test_the_live_view_shows_progress() -> None:
    options = read_options(["steady"])
    target = Target.find("http://127.0.0.1:1", mode="stream", headers={}, allow_remote=False)
    session = Session(options, target, Prompts.built_in(), measurement=Measurement(bin_seconds=0.5), until=1e9)
    measurement = session.measurement
    for number_ in range(3):
        measurement.request_began(0.1)
        measurement.text_came(0.2, 40)
        outcome = Outcome(number_, status="success", ttft=0.25, e2e=1.0, tokens=10, characters=40, arrivals=2)
        measurement.request_ended(outcome, 0.3)
    measurement.request_began(1.0)
    measurement.request_ended(Outcome(9, status="error", code="overloaded"), 1.1)
    console = Console(file=io.StringIO(), width=100)
    console.print(panel(session))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for word in ("3 success", "1 error", "1 overloaded", "p50 250 ms", "tokens/s"):
        assert word in shown
    assert "3 whole, 1 failed" in line(session)
    assert sparkline([0, 4, 8]) == " ▄█"
    assert sparkline([]) == ""
