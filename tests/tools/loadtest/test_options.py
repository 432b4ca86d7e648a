"""The command line: every mistake is answered with a sentence that says what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.loadtest.__main__ import main
from tools.loadtest.options import read_options, told
from tools.loadtest.prompts import BUILT_IN, Prompts
from tools.loadtest.target import Target, TargetError


def find(url: str, *, allow_remote: bool = False) -> Target:
    return Target.find(url, mode="stream", headers={"X-Test": "1"}, allow_remote=allow_remote)


# One test for all: what a test costs here is mostly its leak oracle.
BAD_LINES = [
    ("stedy", "did you mean steady?"),
    ("--concurrency many", "--concurrency should be a whole number from 1 to 10000, not 'many'"),
    ("--concurrency 0", "from 1 to 10000"),
    ("--rate 0", "--rate should be requests a second above 0"),
    ("--duration 99999", "at most 3600"),
    ("--duration nan", "--duration should be seconds"),
    ("--duration", "--duration needs one value"),
    ("--durations=3", "did you mean --duration?"),
    ("--mode sse", "--mode should be stream or block, not 'sse'"),
    ("--goodput ttft", "such as ttft:500"),
    ("--goodput itl:50 --mode block", "block mode"),
    ("steady --share 0.5", "--share belongs to leavers, slow-readers, resume and blips"),
    ("steady --away 2", "--away belongs to resume and blips"),
    ("blips --mode block", "blips reads events: --mode should be stream"),
    ("poisson", "poisson should have a --rate"),
    ("burst --rate 3", "--concurrency and --every"),
    ("sweep --duration 9", "--stage"),
    ("ramp --from 11 --concurrency 10", "--from should not be more"),
    ("deploy --url http://127.0.0.1:1", "our own server"),
    ("deploy --signal KILL", "--signal should be HUP or TERM"),
    ("--url http://127.0.0.1:1 --workers 2", "--workers is about our own server"),
    ("--allow-remote", "--allow-remote should come with the --url"),
    ("--header nonsense", "--header should be such as"),
    ("--server-env nonsense", "--server-env should be such as"),
    ("--html /", "--html should be a file"),
    ("steady ramp", "no option or second scenario 'ramp'"),
]


def test_a_bad_line_is_answered_with_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    for line, says in BAD_LINES:
        with pytest.raises(SystemExit) as left:
            read_options(line.split())
        assert left.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("python -m tools.loadtest: ")
        assert says in said
        assert said.count("\n") == 1


def test_goodput_does_not_swallow_the_scenario() -> None:
    options = read_options(["--goodput", "ttft:500", "itl:50", "ramp"])
    assert options.scenario == "ramp"
    assert options.limits.milliseconds == {"ttft": 500, "itl": 50}


def test_a_count_alone_needs_no_duration() -> None:
    options = read_options(["--requests", "50"])
    assert (options.duration, options.warm_up, options.requests) == (3600, 0, 50)
    assert "duration" not in told(options)
    assert told(read_options(["--requests", "50", "--duration", "9"]))["duration"] == 9


def test_a_report_contains_no_key() -> None:
    options = read_options(
        ["--header", "Authorization: Bearer s3cret", "--server-env", "OPENAI_API_KEY=s3cret", "--server-env", "A=1"]
    )
    assert "s3cret" not in str(told(options))
    assert told(options)["server_env"] == "A=1"


@pytest.mark.parametrize("url", ["http://192.0.2.1", "http://[2001:db8::1]:8000", "http://0.0.0.0:8000"])
def test_another_machine_is_refused_unless_allowed(url: str) -> None:
    with pytest.raises(TargetError, match="--allow-remote"):
        find(url)
    assert find(url, allow_remote=True).address


def test_another_machine_is_refused_before_anything_is_sent_to_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def connect(*arguments: object) -> None:
        raise AssertionError(f"it was contacted: {arguments}")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(f"socket.socket.{name}", connect)
    assert main(["--url", "http://192.0.2.1:8000", "--requests", "1", "--no-html"]) == 2
    assert "192.0.2.1 is not this machine" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://u:p@127.0.0.1", "http://a:b"]
)
def test_an_invalid_url_is_refused_with_a_valid_example(url: str) -> None:
    with pytest.raises(TargetError, match=r"should be such as http://127\.0\.0\.1:8000"):
        find(url)


def test_a_request_has_its_path_its_length_and_further_headers() -> None:
    request = find("http://127.0.0.1:8000/chat/").request({"message": "世界"})
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /chat/api/chat HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n")
    assert b"\r\nX-Test: 1\r\n" in head
    assert head.endswith(b"Content-Length: %d" % len(body))
    assert body == '{"message":"世界"}'.encode()


def test_an_unreachable_server_is_reported_before_any_load(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", "http://127.0.0.1:1", "--no-html"]) == 2
    assert "cannot be reached (connection refused). Start a server there" in capsys.readouterr().err


class TestPrompts:
    def test_built_in_prompts_are_used_in_turn(self) -> None:
        prompts = Prompts.built_in()
        assert [prompts.take()["message"] for _ in range(len(BUILT_IN) + 1)] == [*BUILT_IN, BUILT_IN[0]]

    def test_each_line_of_a_text_file_is_a_prompt(self, tmp_path: Path) -> None:
        path = tmp_path / "prompts.txt"
        path.write_text("one\n\n  two  \n")
        prompts = Prompts.read(path)
        assert [prompts.take() for _ in range(len(prompts))] == [{"message": "one"}, {"message": "two"}]

    def test_each_line_of_a_json_lines_file_is_a_request(self, tmp_path: Path) -> None:
        path = tmp_path / "prompts.jsonl"
        path.write_text('{"message": "a", "conversation_history": []}\n{"massage": "b"}\n')
        with pytest.raises(ValueError, match=r"line 2 of .* should be such as"):
            Prompts.read(path)

    def test_a_missing_or_empty_file_is_reported(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="No such file"):
            Prompts.read(tmp_path / "none.txt")
        (tmp_path / "empty.txt").touch()
        with pytest.raises(ValueError, match="1 to 100000 prompts"):
            Prompts.read(tmp_path / "empty.txt")


def test_an_own_server_that_does_not_start_is_reported_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--server-env", "SLUICE_MAX_STREAMS=none", "--no-html"]) == 2
    said = capsys.readouterr().err
    assert "Our own server did not start" in said
    assert "SLUICE_MAX_STREAMS is 'none'; it should be a whole number" in said
