"""What an answer costs whose model calls tools: the costs of all steps, each by the price of its provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from sluice import RunEnd, Sluice
from sluice.web.extension_state import ExtensionState
from tests.support.extension_app import MakeApp, ask, frames_of
from tools.common.model_scripts import calling, refused, reply, usage_of
from tools.common.responses_scripts import began, called, ended, response_reply, response_usage
from tools.common.scripted_model import ScriptedModel

FILE = """
currency = "USD"
[[providers]]
name = "first"
base_url = "FIRST"
models = [{ name = "chat", input = 1000.0, output = 10000.0 }]
[[providers]]
name = "second"
base_url = "SECOND"
models = [{ name = "chat", input = 2000.0, output = 20000.0 }]
[[providers]]
name = "third"
base_url = "FIRST"
api = "responses"
models = [{ name = "responses", input = 1000.0, output = 10000.0 }]
"""
CALL = calling(("c1", "search", '{"query": "x"}'), usage=usage_of(10, 5))

Make = Callable[[str], tuple[Flask, Sluice, list[RunEnd]]]


@pytest.fixture
def second() -> Iterator[ScriptedModel]:
    """The model of the second provider."""
    with ScriptedModel() as running:
        yield running


@pytest.fixture
def make(model: ScriptedModel, second: ScriptedModel, make_app: MakeApp, tmp_path: Path) -> Make:
    """Return a function that makes an application with a tool and this default model."""
    file = tmp_path / "providers.toml"
    file.write_text(FILE.replace("FIRST", model.base_url).replace("SECOND", second.base_url))

    def make(name: str) -> tuple[Flask, Sluice, list[RunEnd]]:
        app, sluice = make_app(
            SLUICE_PROVIDERS=file, OPENAI_MODEL=name, OPENAI_API_KEY=None, OPENAI_BASE_URL=None, OPENAI_MAX_RETRIES=0
        )
        ends: list[RunEnd] = []
        sluice.on_end(ends.append)

        @sluice.tool
        async def search(query: str) -> str:
            """Search the documents."""
            return f"found {query}"

        return app, sluice, ends

    return make


def test_the_end_of_an_answer_without_calls_has_its_cost(make: Make, model: ScriptedModel) -> None:
    app, _, ends = make("chat")
    model.enqueue(reply("Hello", usage=usage_of(20, 7)))
    assert frames_of(ask(app, mode="stream"))[-1]["usage"]["cost"] == pytest.approx(0.09)
    assert ends[0].usage.cost == pytest.approx(0.09)


def test_the_costs_of_all_steps_are_summed_each_by_the_price_of_its_provider(
    make: Make, model: ScriptedModel, second: ScriptedModel
) -> None:
    app, _, ends = make("chat")
    # The first step by the first provider, the second by the other one.
    model.enqueue(CALL, refused(503))
    second.enqueue(reply("There.", usage=usage_of(20, 7)))
    usage = ask(app).json["usage"]
    assert usage == {**usage_of(30, 12), "cost": pytest.approx(0.06 + 0.18)}
    assert ends[0].usage.cost == usage["cost"]
    text = ExtensionState.of(app).service.metrics.exposition(0.0, 0).decode()
    (counted,) = [line for line in text.splitlines() if line.startswith("sluice_cost_total{")]
    assert 'gen_ai_provider_name="second"' in counted
    assert float(counted.rpartition(" ")[2]) == pytest.approx(0.24)


def test_a_model_that_is_asked_by_the_responses_api_gets_the_results_of_its_calls(
    make: Make, model: ScriptedModel
) -> None:
    app, _, _ = make("responses")
    model.enqueue(
        (*began(), *called(1, "c1", "search", '{"query": ', '"x"}'), *ended(usage=response_usage(10, 5))),
        response_reply("There.", usage=response_usage(20, 7)),
    )
    reply = ask(app).json
    assert (reply["message"], reply["finish_reason"]) == ("There.", "stop")
    assert [(call["name"], call["text"]) for call in reply["tool_calls"]] == [("search", "found x")]
    assert reply["usage"] == {**usage_of(30, 12), "cost": pytest.approx(0.15)}
    first, again = model.exchanges
    assert [(tool["type"], tool["name"], tool["strict"]) for tool in first.body["tools"]] == [
        ("function", "search", True)
    ]
    assert again.body["input"][1:] == [
        {"type": "function_call", "call_id": "c1", "name": "search", "arguments": '{"query": "x"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "found x"},
    ]
