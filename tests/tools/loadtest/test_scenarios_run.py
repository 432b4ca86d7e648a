"""Each scenario, for a second or two, against real gunicorn with the lean model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.loadtest import loop as loops
from tools.loadtest.__main__ import INTERRUPTED, main
from tools.loadtest.options import read_options
from tools.loadtest.own_server import OwnServer
from tools.loadtest.prompts import Prompts
from tools.loadtest.result import Result
from tools.loadtest.session import Session
from tools.loadtest.target import Target

Run = Callable[[str], Result]


@pytest.fixture(scope="module", autouse=True)
def loop_was_used() -> None:
    """Make the pipe that libuv opens with a process's first loop and keeps: no test's leak."""
    loops.run(asyncio.sleep(0))


@pytest.fixture(scope="module")
def own() -> Iterator[OwnServer]:
    """A server for all tests that leave it as it was; its replies take about a fifth of a second."""
    with OwnServer(1, {"SLUICE_MAX_STREAMS": "12"}, tokens=20, rate=100, delay=0.02) as running:
        yield running


@pytest.fixture(scope="module")
def unhurried() -> Iterator[OwnServer]:
    """A server whose shortest reply takes half a second: each client loses its connection long before the end."""
    with OwnServer(1, {"SLUICE_MAX_STREAMS": "12"}, tokens=100, rate=100, delay=0.02) as running:
        yield running


def run_on(own: OwnServer, line: str) -> Result:
    options = read_options(line.split())
    target = Target.find(own.url, mode=options.mode, headers={}, allow_remote=False)

    async def run() -> Result:
        return await Session(options, target, Prompts.built_in(), own).run()

    return loops.run(run())


@pytest.fixture
def run(own: OwnServer) -> Run:
    """Run a scenario on the shared server."""
    return lambda line: run_on(own, line)


def assert_all_whole(result: Result, least: int) -> None:
    assert result.requests.success >= least, result
    assert (result.requests.error, result.requests.incomplete, result.requests.unfinished) == (0, 0, 0), result.codes


def test_steady_measures_what_the_model_does(run: Run) -> None:
    result = run("steady --concurrency 4 --duration 1.2 --warm-up 0.3 --goodput ttft:5000 e2e:9000")
    assert_all_whole(result, 4)
    assert result.requests.in_warm_up >= 4
    latency = result.latency_ms
    assert latency["ttft"].least >= 20
    assert latency["e2e"].least >= 20 + 9 * 10  # the shortest reply has ten tokens
    assert latency["connect"].p50 < latency["headers"].p50 <= latency["ttft"].p50 < latency["e2e"].p50
    # Tokens are 10 ms apart; a first one that a busy machine makes late has the others that much closer behind it.
    assert latency["itl"].mean > 5
    each = [
        (reply.lasted_ms - reply.ttft_ms) / (reply.tokens - 1)
        for reply in result.replies
        if reply.status == "success" and reply.counted and reply.lasted_ms and reply.ttft_ms
    ]
    assert latency["tpot"].count == len(each)
    # A reply lasts until its end, which comes after its last token: on a busy machine by any time.
    assert 0 < latency["tpot"].least <= min(each) + 0.001
    assert latency["tpot"].mean <= sum(each) / len(each) + 0.001
    assert latency["tpot"].mean == pytest.approx(latency["itl"].mean, rel=0.5)
    assert result.throughput.tokens_from_usage
    assert 0 < result.throughput.tokens_per_second <= 4 * 115
    assert result.goodput.share == 1
    assert result.window_seconds == pytest.approx(1.2, abs=0.2)
    assert sum(bin_.success for bin_ in result.timeline) == result.requests.success + result.requests.in_warm_up
    busy = result.busy
    assert busy.server_cpu is not None
    assert busy.model_cpu is not None
    assert 0 < busy.model_cpu < 1
    assert 0 < busy.client_cpu < 1
    assert 0 < busy.server_cpu < 1.2
    assert len(result.replies) == result.requests.success + result.requests.in_warm_up


def test_block_mode_has_one_time_for_the_whole_reply(run: Run) -> None:
    result = run("steady --mode block --requests 6 --concurrency 3")
    assert_all_whole(result, 6)
    assert "ttft" not in result.latency_ms
    assert result.latency_ms["e2e"].least >= 100
    assert result.throughput.tokens >= 6 * 10


def test_a_count_ends_the_run_exactly(run: Run) -> None:
    result = run("poisson --rate 200 --requests 10")
    assert result.requests.counted == 10
    assert_all_whole(result, 10)


def test_a_ramp_increases_the_load(run: Run) -> None:
    result = run("ramp --from 1 --concurrency 8 --duration 1.2")
    assert_all_whole(result, 8)
    opened = [bin_.open for bin_ in result.timeline]
    assert opened[0] <= 3
    assert max(opened) >= 6


def test_a_burst_over_the_stream_limit_is_refused_in_part(run: Run) -> None:
    result = run("burst --concurrency 20 --every 5 --duration 0.5")
    assert result.requests.counted == 20
    assert result.requests.success >= 12
    assert result.requests.error == 20 - result.requests.success
    assert result.codes.get("error", {}).keys() <= {"overloaded"}
    if result.requests.error:
        assert any("SLUICE_MAX_STREAMS" in note for note in result.notes)


def test_open_arrivals_beyond_their_bound_wait_and_their_clock_runs(run: Run) -> None:
    result = run("steady --rate 40 --concurrency 1 --duration 1 --warm-up 0 --grace 0")
    assert result.requests.never_sent > 0
    assert result.busy.requests_late_p99 is not None
    assert result.busy.requests_late_p99 > 100


def test_leavers_report_how_long_model_calls_outlived_their_clients(run: Run) -> None:
    result = run("leavers --share 1 --leave-within 0.15 --concurrency 4 --duration 1 --warm-up 0")
    assert result.requests.left > 4
    assert result.requests.error == 0
    assert result.outlived is not None
    assert result.outlived.left >= result.requests.left
    assert result.outlived.milliseconds is not None
    # The server hangs up on the model long before its reply would end.
    assert result.outlived.milliseconds.p50 < 150
    assert set(result.groups) == {"leaver"}


def test_leavers_of_a_server_with_a_foreign_model_report_what_is_unknown(
    own: OwnServer, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"--url {own.url} leavers --share 0 --requests 1 --concurrency 1 --no-html --no-live"
    assert main(line.split()) == 0
    assert "outlives its client is known only of our own model" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "returns"), [("resume --leave-within 0.1 --away 0.1", 1), ("blips --leave-within 0.05 --away 0.05", 2)]
)
def test_replies_are_whole_for_clients_that_lose_their_connection(
    unhurried: OwnServer, line: str, returns: int
) -> None:
    result = run_on(unhurried, f"{line} --share 1 --concurrency 4 --duration 1 --warm-up 0")
    assert_all_whole(result, 4)
    resumed = result.resumed
    assert resumed is not None
    assert (resumed.not_whole, resumed.duplicates, resumed.missing, resumed.extra_calls) == (0, 0, 0, 0)
    assert resumed.replies == result.requests.success
    assert resumed.returns >= returns * resumed.replies
    assert resumed.caught_up_ms is not None
    assert resumed.orphaned_seconds is not None
    assert resumed.orphaned_seconds < 0.1 * resumed.replies


def test_replies_that_nobody_reads_on_are_stopped_at_the_end_of_the_test(run: Run) -> None:
    result = run(
        "resume --share 1 --leave-within 0.05 --away 60 --concurrency 4 --duration 0.3 --warm-up 0 --grace 0"
    )
    assert result.requests.unfinished == 4
    assert result.resumed is not None
    # Of those that were left before their head had come nobody knows the address.
    assert result.resumed.stopped <= 4
    assert result.resumed.orphaned_seconds is not None
    assert result.resumed.orphaned_seconds < 1.0


def test_slow_readers_are_reported_separately(run: Run) -> None:
    result = run("slow-readers --share 0.5 --read-rate 500 --concurrency 6 --duration 1.2 --warm-up 0")
    assert_all_whole(result, 6)
    assert set(result.groups) == {"others", "slow"}
    others, slow = (result.groups[name]["latency_ms"]["e2e"] for name in ("others", "slow"))
    assert slow.p50 > others.p50 + 100
    assert result.latency_ms["e2e"].count == others.count


def test_a_sweep_finds_a_knee_no_higher_than_the_stream_limit(run: Run) -> None:
    result = run("sweep --concurrency 16 --stage 1")
    assert {1, 2, 4} < {each.level for each in result.swept}
    knee = [each for each in result.swept if each.knee]
    assert len(knee) == 1
    assert 2 <= knee[0].level <= 12
    assert result.swept[-1].codes.keys() <= {"overloaded"}
    assert all(each.client_cpu > 0 and each.server_cpu for each in result.swept)
    assert any(note.startswith("The knee is at") for note in result.notes)


def assert_deployed(result: Result, kind: str) -> None:
    deployed = result.deployed
    assert deployed is not None
    assert deployed.trouble == ""
    assert deployed.at == pytest.approx(0.8, abs=0.3)
    assert deployed.old_gone_after is not None
    assert deployed.back_after is not None
    assert 1 <= sum(deployed.open_then.values()) <= 4  # others may just be between two requests
    assert deployed.open_then.keys() == {"whole"}
    assert next(text for _, text in result.marks) == f"SIG{kind}"


def test_a_reload_under_load_fails_no_request(run: Run) -> None:
    result = run("deploy --signal HUP --concurrency 4 --duration 2 --warm-up 0")
    assert_deployed(result, "HUP")
    assert_all_whole(result, 8)


def test_a_restart_under_load_ends_open_replies_whole() -> None:
    with OwnServer(1, {}, tokens=20, rate=100, delay=0.02) as own:
        result = run_on(own, "deploy --signal TERM --concurrency 4 --duration 2 --warm-up 0")
    assert_deployed(result, "TERM")
    told = any("load ended before requests were answered again" in note for note in result.notes)
    assert told == (result.deployed is not None and result.deployed.outage is None)


def test_the_command_line_runs_a_scenario_and_writes_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html, figures = tmp_path / "new" / "report.html", tmp_path / "figures.json"
    line = "steady --concurrency 3 --duration 0.6 --warm-up 0 --model-tokens 10 --model-rate 0 --seed 7"
    assert main([*line.split(), "--html", str(html), "--json", str(figures)]) == 0
    shown = capsys.readouterr()
    assert "time to first token" in shown.out
    assert str(html) in shown.err
    told = json.loads(figures.read_text())
    assert told["scenario"] == "steady"
    assert told["requests"]["success"] > 0
    assert told["settings"]["seed"] == 7
    assert html.read_text().startswith("<!doctype html>")


def test_ctrl_c_ends_it_with_the_report(own: OwnServer, capsys: pytest.CaptureFixture[str]) -> None:
    before = len(own.model.records()["calls"])

    def interrupt() -> None:
        while len(own.model.records()["calls"]) < before + 4:
            pass
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    code = main(["--url", own.url, "steady", "--concurrency", "4", "--warm-up", "0", "--json", "-", "--no-html"])
    thread.join()
    assert code == INTERRUPTED
    told = json.loads(capsys.readouterr().out)
    assert told["interrupted"] is True
    assert told["requests"]["success"] >= 1
    assert told["seconds"] < 10
    assert any("interrupted" in note for note in told["notes"])


def test_a_server_that_is_not_sluice_is_all_errors(own: OwnServer) -> None:
    # The model itself: it answers a POST anywhere, with a stream of another kind.
    url = f"http://127.0.0.1:{own.model.port}"
    assert main(["--url", url, "--requests", "3", "--concurrency", "1", "--no-html", "--no-live"]) == 1
