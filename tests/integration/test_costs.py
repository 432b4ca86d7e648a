"""What an answer costs, by the prices of the file of providers: in replies, kept runs, the log and the metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.run_client import RunClient, read_all, run_id_of
from tests.support.running_server import PLANTED_KEY
from tests.support.several_providers import TwoProviders, start_two_providers
from tools.common.raw_client import fetch, post_chat, stream_chat
from tools.common.scripted_model import refused, reply, said, stalling, usage_of

FILE = f"""
currency = "EUR"

[[providers]]
name = "first"
base_url = "FIRST"
key = "{PLANTED_KEY}"
models = [{{ name = "priced", input = 2.0, output = 8.0, cached_input = 0.5 }}, "free"]

[[providers]]
name = "second"
base_url = "SECOND"
models = [{{ name = "priced", input = 20.0, output = 80.0 }}]
"""
USAGE = usage_of(1000, 100)
COST = 0.0028  # (1000 * 2 + 100 * 8) / 1,000,000


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoProviders]:
    with start_two_providers(tmp_path_factory.mktemp("prices"), FILE) as started:
        yield started


@pytest.fixture(autouse=True)
def answers_cost(shared: TwoProviders) -> Iterator[None]:
    for model in (shared.first, shared.second):
        model.clear()
        model.default = reply("Hello", usage=USAGE)
    yield
    for model in (shared.first, shared.second):
        model.drop_idle_connections()


def in_a_stream(shared: TwoProviders, model: str = "priced") -> dict[str, Any]:
    with stream_chat(shared.url, model=model) as client:
        usage: dict[str, Any] = client.read_stream()[1].payload["usage"]
    return usage


def in_a_block(shared: TwoProviders, model: str = "priced") -> dict[str, Any]:
    usage: dict[str, Any] = post_chat(shared.url, message="Hi", model=model, interaction_mode="block").json()["usage"]
    return usage


@pytest.mark.parametrize("ask", [in_a_stream, in_a_block])
def test_usage_has_the_cost_of_a_model_with_a_price_and_none_of_another(shared: TwoProviders, ask: Any) -> None:
    assert ask(shared) == {**USAGE, "cost": COST}
    assert ask(shared, "free") == USAGE


def test_cached_input_has_its_own_price_and_is_counted(shared: TwoProviders) -> None:
    shared.first.enqueue(reply("Hello", usage={**USAGE, "prompt_tokens_details": {"cached_tokens": 400}}))  # type: ignore[dict-item]
    assert in_a_stream(shared) == {**USAGE, "cached_tokens": 400, "cost": 0.0022}


def test_an_estimated_usage_has_an_estimated_cost(shared: TwoProviders) -> None:
    shared.first.enqueue(reply("Hello"))
    usage = in_a_stream(shared)
    assert usage["estimated"] is True
    assert usage["cost"] == pytest.approx((usage["prompt_tokens"] * 2 + usage["completion_tokens"] * 8) / 1e6)


def test_the_price_is_that_of_the_provider_which_answered(shared: TwoProviders) -> None:
    shared.first.enqueue(refused(503))
    assert in_a_stream(shared)["cost"] == pytest.approx(10 * COST)
    # So that it is asked first again.
    shared.second.enqueue(refused(503))
    assert in_a_stream(shared)["cost"] == COST


def test_the_log_and_the_metrics_have_the_cost_and_its_currency(shared: TwoProviders) -> None:
    labels = ('gen_ai_request_model="priced"', 'gen_ai_provider_name="first"', 'currency="EUR"', 'estimated="false"')
    before = shared.counted("sluice_cost_total", *labels)
    assert in_a_block(shared)["cost"] == COST
    assert shared.counted("sluice_cost_total", *labels) == pytest.approx(before + COST)
    assert shared.server.wait_for_log(r"run=.* model=priced provider=first .* cost=0\.0028000000 currency=EUR ")
    in_a_block(shared, "free")
    assert shared.server.wait_for_log(r"run=.* model=free provider=first .* cost=- currency=- ")


def test_a_request_that_no_provider_accepted_costs_nothing(shared: TwoProviders) -> None:
    before = shared.counted("sluice_cost_total")
    shared.first.enqueue(refused(401))
    assert post_chat(shared.url, message="Hi", model="priced", interaction_mode="block").status == 502
    assert shared.server.wait_for_log(r"run=.* provider=first outcome=error code=key_refused .* cost=- currency=- ")
    assert shared.counted("sluice_cost_total") == before


def test_an_answer_that_its_client_leaves_costs_what_is_estimated(shared: TwoProviders) -> None:
    shared.first.enqueue((*said("Hel", "lo"), *stalling()))
    with stream_chat(shared.url, model="priced") as client:
        client.next_event()
    assert shared.server.wait_for_log(r"run=.* outcome=disconnected .* estimated=yes cost=0\.0000\d+ currency=EUR ")


def openai_usage(shared: TwoProviders, *, streams: bool) -> dict[str, Any]:
    """Ask at `/v1/chat/completions`; return the usage."""
    fields = {"stream": True, "stream_options": {"include_usage": True}} if streams else {}
    body = json.dumps({"model": "priced", "messages": [{"role": "user", "content": "Hi"}], **fields}).encode()
    headers = {"Content-Type": "application/json"}
    answer = fetch(shared.url, "/v1/chat/completions", method="POST", body=body, headers=headers)
    data = (
        [line[6:] for line in answer.body.decode().splitlines() if line.startswith("data: ")][-2] if streams else ""
    )
    usage: dict[str, Any] = (json.loads(data) if streams else answer.json())["usage"]
    return usage


@pytest.mark.parametrize("streams", [True, False])
def test_clients_of_openais_api_get_the_cost_beside_what_the_provider_reported(
    shared: TwoProviders, streams: bool
) -> None:
    details: Any = {**USAGE, "completion_tokens_details": {"reasoning_tokens": 7}}
    shared.first.enqueue(reply("Hello", usage=details), reply("Hello", usage={**details, "cost": 0.5}))
    assert openai_usage(shared, streams=streams) == {**details, "cost": COST}
    assert openai_usage(shared, streams=streams)["cost"] == 0.5


def test_a_kept_answer_keeps_its_cost(shared: TwoProviders) -> None:
    runs = RunClient(shared.url)
    with runs.begin(model="priced") as client:
        run_id = run_id_of(client)
        assert read_all(client)[2]["usage"]["cost"] == COST
    assert runs.read(run_id)[2]["usage"] == {**USAGE, "cost": COST}
    assert runs.show(run_id)["usage"]["cost"] == COST
