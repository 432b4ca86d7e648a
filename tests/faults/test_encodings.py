"""Every encoding ends with its own terminal, and never with a false success."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from sluice.service.errors import ServiceError
from sluice.web.api.error_replies import STATUSES
from tests.support.encodings import AI_SDK, ENCODINGS, OPENAI_STREAM
from tests.support.fault_server import FaultServer, StartOwnServer
from tests.support.provider_scenarios import SCENARIOS
from tools.common.raw_client import RawClient
from tools.common.scripted_model import Wire, flood, stalling_after

AT_ONCE = 8
SERVER_SETTINGS = {"warm": 3 * AT_ONCE}
STREAMS = {"openai stream": OPENAI_STREAM, "ai-sdk": AI_SDK}
_KINDS: dict[str, type[ServiceError]] = {kind.code: kind for kind in STATUSES}
# Their last chunk has text and the provider's words about its failure: neither is passed on.
_CUT = {"text and an error in one chunk", "text and a failure as finish reason in one chunk"}


@dataclass(frozen=True)
class PlayTheScenarioThatIsAskedFor:
    """A step: the scenario whose name is the message."""

    async def play(self, wire: Wire) -> None:
        for step in SCENARIOS[wire.exchange.body["messages"][-1]["content"]].script():
            await step.play(wire)


def codes_of(heard_error: str, encoding: str) -> set[str]:
    """Return the codes that a client's error may stand for."""
    if encoding != "ai-sdk" or heard_error in _KINDS or not heard_error:
        return {heard_error}
    return {code for code, kind in _KINDS.items() if kind.public_message == heard_error}


def test_every_recorded_provider_scenario_gives_its_answer_or_its_failure_in_each_encoding(
    running_server: FaultServer,
) -> None:
    running_server.model.default = (PlayTheScenarioThatIsAskedFor(),)
    asked = [(encoding, name) for name in SCENARIOS for encoding in ENCODINGS]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        replies = list(pool.map(lambda each: ENCODINGS[each[0]].ask(running_server.url, each[1]), asked))
    wrong = {}
    for (encoding, name), heard in zip(asked, replies, strict=True):
        scenario = SCENARIOS[name]
        is_whole = not scenario.code
        # Where the provider named no reason, a whole completion says that it stopped.
        reason = (
            "stop" if (encoding, scenario.finish_reason) == ("openai whole", "unknown") else scenario.finish_reason
        )
        as_expected = (
            scenario.code in codes_of(heard.error, encoding)
            and heard.ends == (["done"] if is_whole else ["error"])
            and heard.finish_reason == (reason if is_whole else "")
        )
        # What fails before its first text is a status; a whole reply drops what had come.
        if as_expected and heard.status == 200 and (encoding == "ai-sdk" or name not in _CUT):
            as_expected = (heard.text, heard.reasoning) == (scenario.text, scenario.reasoning)
        if not as_expected:
            wrong[f"{encoding}: {name}"] = (heard, scenario.text, scenario.code)
    assert wrong == {}


@pytest.mark.parametrize("name", STREAMS)
def test_a_model_that_falls_silent_is_an_error_and_no_end(running_server: FaultServer, name: str) -> None:
    running_server.model.enqueue(stalling_after("Hel", "lo"))
    heard = STREAMS[name].ask(running_server.url)
    assert (heard.text, heard.ends, heard.finish_reason) == ("Hello", ["error"], "")
    assert "upstream_timeout" in codes_of(heard.error, name)


@pytest.mark.parametrize("name", STREAMS)
def test_a_client_that_leaves_closes_the_providers_stream(running_server: FaultServer, name: str) -> None:
    running_server.model.enqueue(flood(1000, 20))
    with RawClient(running_server.url) as client:
        STREAMS[name].send(client, "Hi")
        client.read_head()
        running_server.model.exchanges[-1].wait_tokens(2)
    running_server.model.exchanges[-1].wait_aborted()


def test_a_full_server_refuses_and_a_deploy_ends_each_in_the_form_of_its_encoding(
    start_own_server: StartOwnServer,
) -> None:
    server = start_own_server(SLUICE_MAX_STREAMS=len(STREAMS), SLUICE_DRAIN_TIMEOUT=0.3, warm=0)
    server.model.default = stalling_after("Hello")
    with ExitStack() as stack:
        clients = []
        for encoding in STREAMS.values():
            client = stack.enter_context(RawClient(server.url))
            encoding.send(client, "Hi")
            client.read_head()
            server.model.exchanges[-1].wait_tokens(1)
            clients.append(client)
        for encoding in ENCODINGS.values():
            heard = encoding.ask(server.url)
            assert (heard.status, heard.error) == (503, "overloaded")
        server.server.signal(signal.SIGTERM)
        for client in clients:
            body = client.read_body()
            assert b"The server is restarting." in body
            assert b"[DONE]" not in body
            assert b'"finish_reason": "' not in body
            assert b'"type": "finish"' not in body


def test_a_slow_reader_gets_all_of_a_flood_of_chunks(running_server: FaultServer) -> None:
    running_server.model.enqueue(flood(20_000))
    with RawClient(running_server.url) as client:
        OPENAI_STREAM.send(client, "Hi")
        client.read_head()
        began = time.monotonic()
        body = client.read_body()
    assert body.count(b'"content"') >= 20_000
    assert body.endswith(b"data: [DONE]\n\n")
    assert time.monotonic() - began < 20.0
