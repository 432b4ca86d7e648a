"""Several providers of one model: the next one is asked before the first token, and never after it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest

from tests.support.running_server import PLANTED_KEY
from tests.support.several_providers import TwoProviders, start_two_providers
from tools.common.raw_client import fetch, post_chat, stream_chat
from tools.common.responses_scripts import response_reply
from tools.common.scripted_model import Reset, Script, document, refused, reply, resetting_after, stalling

FILE = f"""
[[providers]]
name = "first"
base_url = "FIRST"
key = "{PLANTED_KEY}"
models = ["shared", "own", "alone"]

[[providers]]
name = "second"
base_url = "SECOND"
key_file = "{{folder}}/second.key"
models = [{{{{ name = "shared", id = "vendor/shared" }}}}]

[[providers]]
name = "third"
base_url = "SECOND"
api = "responses"
models = ["own"]
"""
OF_FIRST, OF_SECOND = reply("of ", "the first"), reply("of ", "the second")
# Failures that may pass, before the first token.
FAILURES: dict[str, Script] = {
    "a 503": refused(503),
    "a rate limit whose wait is longer than any pause": refused(429, headers={"Retry-After": "60"}),
    "a reset before the headers": (Reset(),),
    "a 200 with HTML": document("<html>login</html>"),
    "silence": stalling(),
    "silence after the headers": stalling(after_headers=True),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoProviders]:
    folder = tmp_path_factory.mktemp("providers")
    with start_two_providers(folder, FILE.format(folder=folder), SLUICE_FIRST_TOKEN_TIMEOUT=1.0) as started:
        yield started


@pytest.fixture(autouse=True)
def both_answer(shared: TwoProviders) -> Iterator[None]:
    """Let each model begin with its own answer, and the first provider be asked first again."""
    for model, answer in ((shared.first, OF_FIRST), (shared.second, OF_SECOND)):
        model.clear()
        model.default = answer
    yield
    # A success ends the rest of a provider that has failed. It is asked again only where the others fail.
    shared.second.enqueue(refused(503))
    shared.first.clear()
    shared.first.default = OF_FIRST
    assert post_chat(shared.url, message="Hi", model="shared", interaction_mode="block").status == 200
    shared.second.drop_idle_connections()
    shared.first.drop_idle_connections()


def ask(shared: TwoProviders, model: str = "shared") -> tuple[str, str]:
    """Ask for a stream; return its text, and the code of its failure."""
    with stream_chat(shared.url, model=model) as client:
        if client.status != 200:
            return "", json.loads(client.read_body())["code"]
        text, terminal = client.read_stream()
    return text, terminal.payload.get("code", "")


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_before_the_first_token_is_answered_by_the_next_provider_which_is_named(
    shared: TwoProviders, failure: str
) -> None:
    failed = shared.counted("sluice_provider_failures_total", 'gen_ai_provider_name="first"')
    answered = ("gen_ai_client_operation_duration_seconds_count", 'gen_ai_provider_name="second"')
    before = shared.counted(*answered)
    shared.first.default = FAILURES[failure]
    assert ask(shared) == ("of the second", "")
    (asked,) = shared.second.exchanges
    assert asked.body["model"] == "vendor/shared"
    assert asked.headers["authorization"] == f"Bearer {PLANTED_KEY}-2"
    assert shared.counted("sluice_provider_failures_total", 'gen_ai_provider_name="first"') == failed + 1
    assert shared.counted(*answered) == before + 1
    assert "outcome=done" in shared.server.wait_for_log(r"run=.* model=shared provider=second .*")[0]
    assert PLANTED_KEY not in shared.server.log


def test_keys_of_the_file_are_taken_out_of_the_log_where_providers_echo_them(shared: TwoProviders) -> None:
    for key in (PLANTED_KEY, f"{PLANTED_KEY}-2"):
        echo = {"error": {"message": f"bad key {key}, who are you?", "code": "invalid_api_key"}}
        shared.first.enqueue(refused(401, echo))
        reply = post_chat(shared.url, message="Hi", model="shared", interaction_mode="block")
        assert PLANTED_KEY not in reply.body.decode()
    # The second key begins with the first one, of which it must not show the rest.
    shared.server.wait_for_log(r"bad key \[key\], who are you", times=2)
    assert PLANTED_KEY not in shared.server.log


def test_a_provider_that_has_failed_just_now_is_asked_last(shared: TwoProviders) -> None:
    shared.first.enqueue(refused(503))
    assert ask(shared) == ("of the second", "")
    assert ask(shared) == ("of the second", "")
    assert len(shared.first.exchanges) == 1
    # It is not left out: where the other one fails too, it is asked.
    shared.second.enqueue(refused(503))
    assert ask(shared) == ("of the first", "")


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        (refused(401), ("", "key_refused")),
        (refused(400), ("", "upstream_rejected")),
        (resetting_after("Hel", "lo"), ("Hello", "upstream_truncated")),
    ],
    ids=["a refused key", "a refused request", "a reset after the first token"],
)
def test_a_failure_that_does_not_pass_or_comes_after_the_first_token_asks_nobody_else(
    shared: TwoProviders, script: Script, seen: tuple[str, str]
) -> None:
    shared.first.enqueue(script)
    assert ask(shared) == seen
    assert shared.second.exchanges == []


def test_when_all_providers_fail_the_client_gets_the_last_failure(shared: TwoProviders) -> None:
    shared.first.default = shared.second.default = refused(503)
    assert ask(shared) == ("", "upstream_unavailable")
    assert (len(shared.first.exchanges), len(shared.second.exchanges)) == (1, 1)


def test_another_provider_may_have_another_api(shared: TwoProviders) -> None:
    shared.first.enqueue(refused(503))
    shared.second.enqueue(response_reply("by ", "responses"), refused(503))
    assert ask(shared, "own") == ("by responses", "")
    assert (shared.second.exchanges[0].path, shared.second.exchanges[0].body["model"]) == ("/v1/responses", "own")
    # It is asked last, and then first again.
    assert ask(shared, "own") == ("of the first", "")


def test_a_model_of_one_provider_is_asked_of_that_one_alone(shared: TwoProviders) -> None:
    shared.first.enqueue(refused(503))
    assert ask(shared, "alone") == ("", "upstream_unavailable")
    assert ask(shared, "alone") == ("of the first", "")
    assert shared.second.exchanges == []


def test_the_page_and_the_api_offer_the_models_of_the_file_and_no_other(shared: TwoProviders) -> None:
    config = fetch(shared.url, "/api/config").json()
    assert (config["model"], config["models"], config["demo"]) == ("shared", ["shared", "own", "alone"], False)
    refusal = post_chat(shared.url, message="Hi", model="scripted")
    assert (refusal.status, refusal.json()["field"]) == (400, "model")
    assert "Answers come from shared at first, second, third" in shared.server.log


def test_a_reload_follows_a_changed_file_and_refuses_a_bad_one(shared: TwoProviders) -> None:
    good = shared.file.read_text()
    try:
        shared.file.write_text(good.replace('key_file = "', 'key_fil = "'))
        shared.server.signal(signal.SIGHUP)
        shared.server.wait_for_log(r"'key_fil' is no key here; did you mean key_file\?")
        assert ask(shared) == ("of the first", "")
        old = shared.server.worker_pids()
        shared.file.write_text(good.replace('"alone"', '"other"'))
        shared.server.signal(signal.SIGHUP)
        shared.server.wait_workers(1, without=old)
        shared.server.wait_ready()
        assert fetch(shared.url, "/api/config").json()["models"] == ["shared", "own", "other"]
    finally:
        shared.file.write_text(good)
