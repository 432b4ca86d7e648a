"""What each client sees of the same answers."""

from __future__ import annotations

import json

from tests.clients.client_process import ClientProcess
from tests.clients.clients import Client, having, of_clients
from tests.clients.conftest import HEARTBEAT
from tests.support.provider_scenarios import chunk
from tests.support.running_server import RunningServer
from tools.common.model_steps import Chunk, Headers, Pause, Script, Send
from tools.common.scripted_model import (
    finished,
    refused,
    reply,
    resetting_after,
    said,
    stalling_after,
    usage_of,
)

CITY = {"name": "Zürich", "people": 448_664}


def calling_a_tool() -> Script:
    """Return the script of an answer that calls the tool; the arguments come in pieces."""

    def part(**function: str) -> Send:
        named = {"id": "call_1", "type": "function"} if "name" in function else {}
        return Send(
            chunk({"tool_calls": [{"index": 0, **named, "function": function}]}, id="c", model="m", created=1)
        )

    return (
        Headers(), Chunk("", role="assistant"), part(name="weather", arguments=""), part(arguments='{"ci'),
        part(arguments='ty": "Zürich"}'), *finished("tool_calls", usage_of(5, 6)),
    )  # fmt: skip


def test_a_stream_arrives_piece_by_piece_with_its_usage_once(
    client: Client, process: ClientProcess, server: RunningServer
) -> None:
    gate = server.model.gate("after the first piece")
    server.model.enqueue((Headers(), Chunk("", role="assistant"), *said("Hel"), gate, *said("lo ", "wörld 🙂"),
                          *finished("stop", usage_of(9, 4))))  # fmt: skip
    process.begin("stream", prompt="Hi")
    # The rest is not sent before the client has shown this.
    assert process.next_piece() == "Hel"
    gate.open()
    seen = process.finish()
    assert seen.error is None
    assert seen.text == "Hello wörld 🙂"
    assert seen.usage == [[9, 4]]
    assert seen.finish in ("stop", None)
    assert server.model.exchanges[-1].body["messages"][-1]["content"] == "Hi"


@having("whole")
def test_a_whole_answer_is_the_text_with_its_usage(
    client: Client, process: ClientProcess, server: RunningServer
) -> None:
    server.model.enqueue(reply("Hel", "lo", usage=usage_of(9, 2)))
    seen = process.ask("whole", prompt="Hi")
    assert (seen.error, seen.text, seen.usage) == (None, "Hello", [[9, 2]])


def test_heartbeats_do_not_disturb(client: Client, process: ClientProcess, server: RunningServer) -> None:
    pause = Pause(HEARTBEAT * 1.4)
    server.model.enqueue((Headers(), *said("Hel"), pause, *said("lo"), pause, *finished("stop", usage_of(9, 2))))
    seen = process.ask("stream", prompt="Hi")
    assert (seen.error, seen.text, seen.usage) == (None, "Hello", [[9, 2]])


def test_reasoning_is_shown_as_such_or_left_out(
    client: Client, process: ClientProcess, server: RunningServer
) -> None:
    server.model.enqueue((Headers(), Chunk(reasoning="Hm"), Chunk(reasoning="m."), *said("Hello"), *finished()))
    seen = process.ask("stream", prompt="Hi")
    assert (seen.error, seen.text) == (None, "Hello")
    assert seen.reasoning == ("" if "reasoning" in client.lacks else "Hmm.")


@having("tool")
def test_a_call_of_a_tool_is_put_together(client: Client, process: ClientProcess, server: RunningServer) -> None:
    server.model.enqueue(calling_a_tool())
    seen = process.ask("tool", prompt="How is the weather in Zürich?")
    assert seen.error is None
    assert seen.calls == [{"name": "weather", "arguments": {"city": "Zürich"}}]
    assert seen.finish in ("tool_calls", "tool-calls")
    tools = server.model.exchanges[-1].body["tools"]
    assert [tool["function"]["name"] for tool in tools] == ["weather"]


@having("tool_loop")
def test_a_tool_is_run_and_its_result_reaches_the_model(
    client: Client, process: ClientProcess, server: RunningServer
) -> None:
    server.model.enqueue(calling_a_tool(), reply("It ", "rains."))
    seen = process.ask("tool_loop", prompt="How is the weather in Zürich?")
    assert (seen.error, seen.text) == (None, "It rains.")
    first, second = server.model.exchanges[-2:]
    assert len(second.body["messages"]) == len(first.body["messages"]) + 2
    called, result = second.body["messages"][-2:]
    assert called["tool_calls"][0]["id"] == "call_1"
    assert json.loads(called["tool_calls"][0]["function"]["arguments"]) == {"city": "Zürich"}
    assert (result["role"], result["tool_call_id"], result["content"]) == ("tool", "call_1", "rain in Zürich")


@having("structured")
def test_an_answer_of_a_given_form_is_read_as_such(
    client: Client, process: ClientProcess, server: RunningServer
) -> None:
    server.model.enqueue(reply(*json.dumps(CITY).partition("people")))
    seen = process.ask("structured", prompt="A city?")
    assert (seen.error, seen.value) == (None, CITY)
    form = server.model.exchanges[-1].body["response_format"]
    assert form["type"] == "json_schema"
    assert set(form["json_schema"]["schema"]["properties"]) == {"name", "people"}


def test_a_stream_that_breaks_off_is_an_error_and_no_answer(
    client: Client, process: ClientProcess, server: RunningServer
) -> None:
    server.model.enqueue(resetting_after("Hel"))
    seen = process.ask("stream", prompt="Hi")
    assert seen.error is not None
    assert seen.text == "Hel"
    assert seen.finish in (None, "error")
    assert "cut off" in seen.error["message"]


def test_a_refused_key_is_asked_for_once(client: Client, process: ClientProcess, server: RunningServer) -> None:
    server.model.enqueue(*[refused(401)] * 3)
    before = len(server.model.exchanges)
    seen = process.ask("stream", prompt="Hi", **({} if "retries" in client.lacks else {"retries": 2}))
    assert seen.error is not None
    asked = len(server.model.exchanges) - before
    assert asked == (3 if "x-should-retry" in client.lacks else 1)


@having("retries")
def test_a_busy_provider_is_asked_again(client: Client, process: ClientProcess, server: RunningServer) -> None:
    server.model.enqueue(refused(503), reply("Hello", usage=usage_of(9, 1)))
    before = len(server.model.exchanges)
    seen = process.ask("stream", prompt="Hi", retries=2)
    assert (seen.error, seen.text, seen.usage) == (None, "Hello", [[9, 1]])
    assert len(server.model.exchanges) - before == 2


def test_an_unknown_model_is_an_error_that_names_the_allowed_ones(
    client: Client, process: ClientProcess, server: RunningServer
) -> None:
    seen = process.ask("stream", prompt="Hi", model="other")
    assert seen.error is not None
    assert seen.error["status"] in (404, None)
    assert "scripted" in seen.error["message"] or "404" in seen.error["message"]
    assert server.model.exchanges == []


@having("abort")
def test_a_client_that_stops_reading_ends_the_providers_stream(
    client: Client, process: ClientProcess, server: RunningServer
) -> None:
    server.model.enqueue(stalling_after("Hel"))
    seen = process.ask("abort", prompt="Hi")
    assert (seen.error, seen.text) == (None, "Hel")
    server.model.exchanges[-1].wait_aborted()


@of_clients(lambda client: client.driver in ("langchain_chat.py", "litellm_completion.py"))
def test_a_stream_of_the_asyncio_client_is_the_same(
    client: Client, process: ClientProcess, server: RunningServer
) -> None:
    server.model.enqueue(reply("Hel", "lo", usage=usage_of(9, 2)))
    seen = process.ask("astream", prompt="Hi")
    assert (seen.error, seen.text, seen.usage) == (None, "Hello", [[9, 2]])
