"""What the bench makes of its turns: goals, tables, the chart and the READMEs' part."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tools.bench import scenarios as scenarios_module
from tools.bench.chart import chart
from tools.bench.goals import GOALS, verdicts
from tools.bench.load_client import Outcome
from tools.bench.readme import BEGIN, END, refresh, section
from tools.bench.report import markdown, terminal_end, terminal_table
from tools.bench.results import Results, Turn
from tools.bench.scenarios import scenarios
from tools.bench.servers import KINDS, REPOSITORY
from tools.common.bar_chart import short

FACTS = {
    "date": "2026-01-02 03:04 UTC", "cpu": "Some <CPU>", "cores": 2, "memory_gb": 4, "kernel": "Linux 6",
    "seconds": 61, "python": "3.11", "command": "make bench", "commit": "abc",
    "versions": {"sluice": "flask 3", "nginx": "nginx 1"},
}  # fmt: skip
# By scenario, then server: the chief figures of a run in which Sluice meets every goal exactly, or just.
FIGURES: dict[str, dict[str, dict[str, float]]] = {
    "paced": {
        "sluice": {"cpu_us": 100},
        "fastapi": {"cpu_us": 400},
        "asgi": {"cpu_us": 100},
        "nginx": {"cpu_us": 20},
    },
    "flood": {"sluice": {"cpu_us": 10}, "fastapi": {"cpu_us": 350}, "asgi": {"cpu_us": 9}, "nginx": {"cpu_us": 5}},
    "fixed": {"sluice": {"cpu_us": 900}, "fastapi": {"cpu_us": 900}, "old": {"cpu_us": 20_000}},
    "open": {"sluice": {"memory_kb": 64, "health_max_ms": 99.9}, "fastapi": {"memory_kb": 70}},
    "open10k": {"sluice": {"memory_kb": 30, "health_p99_ms": 49.9}, "asgi": {"memory_kb": 40}},
    "burst": {"sluice": {"first_token_p50_ms": 999}, "asgi": {"first_token_p50_ms": 500}},
    "refusals": {"sluice": {"cpu_us": 300}},
    "continue": {"sluice": {"cpu_us": 100}, "sluice-sqlite": {"cpu_us": 115}, "sluice-valkey": {"cpu_us": 120}},
    "encodings": {"sluice": {"cpu_us": 100}, "sluice-openai": {"cpu_us": 100}, "nginx": {"cpu_us": 50}},
    "encodings-flood": {"sluice": {"cpu_us": 10}, "sluice-openai": {"cpu_us": 15}, "nginx": {"cpu_us": 10}},
    "readers": {"sluice-sqlite": {"cpu_us": 9}},
    "delay": {"sluice": {"delay_p50_ms": 1.99, "delay_p99_ms": 14.9}, "direct": {"delay_p50_ms": 0.05}},
}


@pytest.fixture(autouse=True)
def enough_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios_module, "most_open", lambda: 10_000)


def measured(
    changed: dict[tuple[str, str, str], float] | None = None, *, quick: bool = False, **outcome: object
) -> Results:
    """Make up a run of two rounds."""
    results = Results(dict(FACTS))
    known = {scenario.name: scenario for scenario in scenarios(quick)}
    said = asdict(Outcome(whole=5, asked=5, wall=10.0, model_cpu=1.0, client_cpu=2.0, others=0.5)) | outcome
    for name, servers in FIGURES.items():
        for server, figures in servers.items():
            figures = {key: (changed or {}).get((name, server, key), value) for key, value in figures.items()}
            for _ in range(2):
                results.add(known[name], server, Turn(dict(figures), dict(said)))
    return results


def met(results: Results) -> list[bool | None]:
    return [each.met for each in verdicts(results)]


def test_every_goal_is_met_at_its_limit() -> None:
    assert met(measured()) == [True] * len(GOALS)


@pytest.mark.parametrize(
    ("figure", "worse", "fails"),
    [
        (("paced", "sluice", "cpu_us"), 100.1, [0, 1]),
        (("flood", "sluice", "cpu_us"), 10.01, [2, 3]),
        (("fixed", "sluice", "cpu_us"), 901, [4]),
        (("open10k", "sluice", "memory_kb"), 30.1, [9]),
        (("open10k", "sluice", "health_p99_ms"), 50, [10]),
        (("burst", "sluice", "first_token_p50_ms"), 1000, [11]),
        (("refusals", "sluice", "cpu_us"), 301, [12]),
        (("open", "sluice", "health_max_ms"), 100, [6]),
        (("open", "sluice", "memory_kb"), 64.1, [7]),
        (("continue", "sluice-sqlite", "cpu_us"), 115.1, [13]),
        (("continue", "sluice-valkey", "cpu_us"), 120.1, [14]),
        (("encodings", "sluice-openai", "cpu_us"), 100.1, [15]),
        (("encodings-flood", "sluice-openai", "cpu_us"), 15.1, [16]),
        (("delay", "sluice", "delay_p50_ms"), 2, [18]),
        (("delay", "sluice", "delay_p99_ms"), 15, [19]),
    ],
)
def test_a_goal_beyond_its_limit_is_not_met(figure: tuple[str, str, str], worse: float, fails: list[int]) -> None:
    assert [number for number, each in enumerate(met(measured({figure: worse}))) if each is not True] == fails


def test_an_answer_that_is_not_whole_fails_the_goal_of_open_streams() -> None:
    assert met(measured(whole=4))[5] is False


def test_an_answer_of_many_readers_that_is_not_whole_fails_their_goal() -> None:
    assert met(measured(whole=4))[17] is False


def test_servers_with_a_store_are_compared_with_the_same_server_without_one() -> None:
    results = measured()
    table = terminal_table(results, next(each for each in results.scenarios if each.name == "continue"))
    assert "/ sluice" in table
    assert "fastapi" not in table
    assert "1.15" in table
    by_name = {each.name: each for each in scenarios(True)}
    assert by_name["continue"].takes(KINDS["sluice-valkey"], None)
    assert not by_name["paced"].takes(KINDS["sluice-valkey"], None)
    assert not by_name["refusals"].takes(KINDS["nginx"], None)


def test_fewer_streams_than_a_goal_speaks_of_do_not_show_it() -> None:
    judged = verdicts(measured(quick=True))[5:8]
    assert [(each.met, each.word) for each in judged] == [(None, "not shown")] * 3
    assert "with 200 streams only" in judged[2].measured


def test_a_goal_that_was_not_measured_is_not_met() -> None:
    nothing = Results(dict(FACTS))
    assert met(nothing) == [None] * len(GOALS)
    assert chart(nothing) == ""
    assert "0 of 20 met, 20 not shown" in terminal_end(nothing)


def test_the_tables_hold_what_was_measured() -> None:
    results = measured(whole=4, complaints=["no end"])
    page = markdown(results, with_chart=True)
    assert "of commit abc on 2026-01-02 03:04 UTC" in page
    assert "| open | 1,000 streams on one worker: answers that are not whole | at most 0 | 2 | **not met** |" in page
    assert "- paced, sluice: no end" in page
    assert "model server used at most 10% of a core" in page
    assert "other work on the machine took 0.5 of 2 cores" in page
    assert "8/10" in page
    assert "FastAPI + AsyncOpenAI" in terminal_table(results, results.scenarios[0])


def test_a_model_or_client_that_was_too_busy_is_reported() -> None:
    assert measured().complaints() == []
    assert any("the client used 90% of a core" in text for text in measured(client_cpu=9.0).complaints())


def test_the_chart_is_well_formed_and_cuts_only_what_is_far_beyond() -> None:
    drawn = chart(measured())
    root = ElementTree.fromstring(drawn)
    bars = list(root.iter("{http://www.w3.org/2000/svg}rect"))
    assert len(bars) == 4 + 4 + 3 + 2 + 1 + 1
    assert drawn.count('class="cut"') == 2  # FastAPI in the flood, and the old repair's request
    assert all(float(bar.get("width") or 0) > 0 for bar in bars)
    assert "not measured" in drawn
    assert "prefers-color-scheme: dark" in drawn


@pytest.mark.parametrize(
    ("language", "row"),
    [
        ("en", "| memory per open stream, KB | **64.0** | - | 70.0 | - |"),
        ("zh", "| 每条打开的流的内存，KB | **64.0** | - | 70.0 | - |"),
    ],
)
def test_a_readme_shows_date_machine_command_and_figures(language: str, row: str, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):  # again over what it wrote itself
        refresh(readme, section(measured(), language))
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n|  | **Sluice** | ")
    assert text.endswith(f"\n\n{END}\nafter\n")
    assert "old" not in text
    for word in (row, "2026-01-02", "Some <CPU>", "`make bench`"):
        assert word in text


def test_a_readme_has_no_row_for_what_was_not_measured() -> None:
    results = measured()
    del results.turns["paced"]
    shown = section(results, "en")
    assert "tokens/s in a stream" not in shown
    assert "| CPU time per token, as fast as the model sends, µs | **10.0** | - | 350 | 9 |" in shown


def test_both_readmes_have_the_marks_for_the_bench_table(tmp_path: Path) -> None:
    for name in ("README.md", "README.zh-CN.md"):
        copy = tmp_path / name
        copy.write_text((REPOSITORY / name).read_text())
        refresh(copy, "here")
        assert f"{BEGIN}\n\nhere\n\n{END}" in copy.read_text()
    copy.write_text("nothing")
    with pytest.raises(ValueError, match=r"README\.zh-CN\.md should have"):
        refresh(copy, "here")


def test_numbers_have_three_significant_digits() -> None:
    assert [short(value) for value in (float("nan"), 0.0286, 9.014, 84.44, 29_680.0)] == [
        "-", "0.0286", "9.01", "84.4", "29,680",
    ]  # fmt: skip
