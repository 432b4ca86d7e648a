"""`useChat` of @ai-sdk/react in a page of jsdom, by `/api/ai-sdk` with its default settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.client_process import ClientProcess, beside_packages
from tests.clients.clients import FOLDER, IS_INSTALLED, OWN_NODE
from tests.clients.conftest import HEARTBEAT
from tests.support.running_server import PLANTED_KEY, RunningServer, cleared_model
from tools.common.gunicorn_server import GunicornServer
from tools.common.model_steps import Chunk, Headers, Pause
from tools.common.scripted_model import (
    MODEL_NAME,
    ScriptedModel,
    calling,
    finished,
    refused,
    reply,
    resetting_after,
    said,
    stalling_after,
    usage_of,
)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not IS_INSTALLED, reason="`make clients` installs what this needs"),
]


@contextmanager
def page_of(server: RunningServer, home: Path, major: str) -> Iterator[ClientProcess]:
    """Open the page of a server."""
    command = [str(OWN_NODE), str(beside_packages("use_chat.mjs", FOLDER / "node"))]
    with ClientProcess(command, f"{server.url}/v1", home, {"AI_MAJOR": major}) as running:
        yield running


@pytest.fixture(scope="module", params=["5", "6", "7"], ids="ai {}".format)
def page(
    request: pytest.FixtureRequest, server_of_session: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClientProcess]:
    """The page, in a release of each major."""
    with page_of(server_of_session, tmp_path_factory.mktemp("page"), request.param) as running:
        yield running


@pytest.fixture(scope="module")
def server_with_tools() -> Iterator[RunningServer]:
    """An application with tools of its own."""
    with ScriptedModel() as model:
        env = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, "OPENAI_BASE_URL": model.base_url}
        with GunicornServer(env, app="tests.integration.tool_application:app") as server:
            yield RunningServer(server, model)


def test_the_page_shows_reasoning_and_text_as_they_arrive(page: ClientProcess, server: RunningServer) -> None:
    gate = server.model.gate("after the first piece")
    server.model.enqueue((Headers(), Chunk(reasoning="Hm"), Chunk(reasoning="m."), *said("Hel"), gate,
                          *said("lo ", "wörld 🙂"), *finished("stop", usage_of(9, 4))))  # fmt: skip
    page.begin("chat", prompts=["Hi"])
    # The rest is not sent before the page has shown this.
    assert page.next_piece() == "Hel"
    gate.open()
    seen = page.finish()
    assert (seen.error, seen.value["status"], seen.value["error"]) == (None, "ready", "")
    assert (seen.reasoning, seen.text) == ("Hmm.", "Hello wörld 🙂")
    assert (seen.usage, seen.finish) == ([[9, 4]], "stop")
    assert seen.value["parts"] == ["step-start", "reasoning", "text"]


def test_heartbeats_do_not_disturb_the_page(page: ClientProcess, server: RunningServer) -> None:
    pause = Pause(HEARTBEAT * 1.4)
    server.model.enqueue((Headers(), *said("Hel"), pause, *said("lo"), pause, *finished()))
    seen = page.ask("chat", prompts=["Hi"])
    assert (seen.text, seen.value["status"]) == ("Hello", "ready")


def test_a_second_message_brings_the_first_answer_along(page: ClientProcess, server: RunningServer) -> None:
    server.model.enqueue(reply("One"), reply("Two"))
    seen = page.ask("chat", prompts=["Hi", "And now?"])
    assert seen.value["messages"] == ["user", "assistant"] * 2
    assert server.model.exchanges[-1].body["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "One"},
        {"role": "user", "content": "Hi"},
    ]


def test_an_answer_that_breaks_off_is_an_error_below_its_text(page: ClientProcess, server: RunningServer) -> None:
    server.model.enqueue(resetting_after("Hel"))
    seen = page.ask("chat", prompts=["Hi"])
    assert (seen.text, seen.value["status"], seen.finish) == ("Hel", "error", None)
    assert seen.value["error"] == "The answer was cut off before its end. Please try again."


def test_a_failure_before_the_answer_is_an_error(page: ClientProcess, server: RunningServer) -> None:
    server.model.enqueue(refused(401))
    seen = page.ask("chat", prompts=["Hi"])
    assert (seen.text, seen.value["status"], seen.value["messages"]) == ("", "error", ["user"])
    assert seen.value["error"] == "The model's provider refused the server's key. Ask the operator to check it."
    assert len(server.model.exchanges) == 1


def test_the_stop_button_ends_the_providers_stream_and_keeps_the_text(
    page: ClientProcess, server: RunningServer
) -> None:
    server.model.enqueue(stalling_after("Hel"))
    seen = page.ask("chat", prompts=["Hi"], stops=True)
    assert (seen.text, seen.value["status"], seen.value["error"]) == ("Hel", "ready", "")
    server.model.exchanges[-1].wait_aborted()


def test_a_page_that_is_opened_again_resumes_the_whole_answer(page: ClientProcess, server: RunningServer) -> None:
    gate = server.model.gate("until the page is open again")
    server.model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    page.begin("resume", prompt="Hi")
    assert page.next_piece() == "Hel"
    gate.open()
    seen = page.finish()
    assert (seen.error, seen.value["status"], seen.value["error"]) == (None, "ready", "")
    assert (seen.text, seen.finish, seen.value["messages"]) == ("Hello", "stop", ["user", "assistant"])
    assert len(server.model.exchanges) == 1


def test_a_page_with_nothing_to_resume_shows_nothing(page: ClientProcess, server: RunningServer) -> None:
    # The first release of the fifth major forgets that it has asked.
    status = "submitted" if page.env["AI_MAJOR"] == "5" else "ready"
    seen = page.ask("resume_nothing", status=status)
    assert (seen.error, seen.value["response"], seen.value["status"]) == (None, 204, status)
    assert (seen.value["messages"], seen.value["error"]) == ([], "")
    assert server.model.exchanges == []


@pytest.mark.parametrize("major", ["5", "6", "7"])
def test_a_tool_of_the_application_is_a_part_with_its_result(
    server_with_tools: RunningServer, tmp_path: Path, major: str
) -> None:
    with cleared_model(server_with_tools), page_of(server_with_tools, tmp_path, major) as page:
        asked = calling(("c1", "search", '{"query": "x"}'), text=["Let me see. "], usage=usage_of(5, 3))
        server_with_tools.model.enqueue(asked, reply("There.", usage=usage_of(9, 1)))
        seen = page.ask("chat", prompts=["Hi"])
    assert (seen.error, seen.value["status"], seen.value["error"]) == (None, "ready", "")
    assert seen.text == "Let me see. There."
    assert seen.calls == [{"name": "search", "arguments": {"query": "x"}}]
    assert seen.value["outputs"] == ["found x"]
    assert len(server_with_tools.model.exchanges) == 2


@pytest.mark.parametrize("major", ["5", "6", "7"])
def test_the_next_message_brings_what_a_tool_has_returned(
    server_with_tools: RunningServer, tmp_path: Path, major: str
) -> None:
    with cleared_model(server_with_tools), page_of(server_with_tools, tmp_path, major) as page:
        server_with_tools.model.enqueue(calling(("c1", "search", '{"query": "x"}')), reply("There."), reply("At 9."))
        page.ask("chat", prompts=["Where?"] * 2)
    asked = server_with_tools.model.exchanges[-1].body["messages"]
    assert [(each["role"], each["content"]) for each in asked] == [
        ("user", "Where?"),
        ("assistant", None),
        ("tool", "found x"),
        ("assistant", "There."),
        ("user", "Where?"),
    ]
    assert asked[1]["tool_calls"][0]["function"] == {"name": "search", "arguments": '{"query":"x"}'}
