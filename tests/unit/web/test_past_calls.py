"""Calls that earlier answers have made of the application's tools: the model gets them with a later question."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from sluice import Chat
from tests.support.extension_app import MakeApp
from tools.common.model_scripts import calling, reply
from tools.common.scripted_model import ScriptedModel

QUESTION = {"role": "user", "content": "Where is x?"}


async def search(query: str) -> str:
    """Search the documents."""
    return f"found {query}"


def make_call(text: str | None = "found x", *, name: str = "search", arguments: Any = '{"query": "x"}') -> Any:
    return {"name": name, "arguments": arguments, **({} if text is None else {"text": text})}


def answer(*calls: Any, content: str = "It is there.") -> Any:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def ask_next(app: Flask, *history: Any) -> Any:
    """Ask a question after these messages, and return the whole reply."""
    body = {"message": "And now?", "conversation_history": list(history), "interaction_mode": "block"}
    reply = app.test_client().post("/assistant/api/chat", json=body)
    return reply.json


def sent(number: int, result: str = "found x", arguments: str = '{"query": "x"}') -> list[Any]:
    """Return the messages of a call."""
    call_id = f"call{number:05}"
    function = {"name": "search", "arguments": arguments}
    called = [{"id": call_id, "type": "function", "function": function}]
    return [
        {"role": "assistant", "content": None, "tool_calls": called},
        {"role": "tool", "tool_call_id": call_id, "content": result},
    ]


def messages_of(model: ScriptedModel) -> Any:
    """Return what the model was sent before the last question."""
    *before, last = model.exchanges[-1].body["messages"]
    assert last == {"role": "user", "content": "And now?"}
    return before


def test_the_calls_of_an_earlier_answer_are_sent_with_their_results_before_its_text(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    history = [QUESTION, answer(make_call(), make_call("", arguments="broken")), QUESTION, answer(make_call())]
    assert ask_next(app, *history)["success"]
    text = {"role": "assistant", "content": "It is there."}
    assert messages_of(model) == [
        QUESTION, *sent(1), *sent(2, "", "{}"), text,
        QUESTION, *sent(3), text,
    ]  # fmt: skip


def test_a_reply_in_block_mode_can_be_sent_back_as_it_is(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    model.enqueue(calling(("c1", "search", '{"query": "x"}')), reply("It is there."))
    body = app.test_client().post("/assistant/api/chat", json={"message": "Where is x?"}).json
    assert body is not None
    ask_next(app, QUESTION, answer(*body["tool_calls"]))
    assert messages_of(model) == [QUESTION, *sent(1), {"role": "assistant", "content": "It is there."}]


def test_an_answer_without_text_has_its_calls(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    ask_next(app, QUESTION, answer(make_call(), content=" \n"), QUESTION, answer(make_call(None), content=""))
    assert messages_of(model) == [QUESTION, *sent(1), QUESTION]


@pytest.mark.parametrize("has_tools", [True, False])
def test_calls_of_tools_that_are_not_offered_are_left_out(
    make_app: MakeApp, model: ScriptedModel, has_tools: bool
) -> None:
    app, sluice = make_app()
    if has_tools:
        sluice.tool(search)
        sluice.prepare(lambda chat: chat.replace(tools=[]))
    ask_next(app, QUESTION, answer(make_call()), QUESTION, answer(make_call(), content=""))
    assert messages_of(model) == [QUESTION, {"role": "assistant", "content": "It is there."}, QUESTION]


def test_a_name_that_is_no_tools_is_left_out_with_its_result(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    ask_next(app, QUESTION, answer(make_call(name="functions.search"), make_call()))
    assert messages_of(model) == [QUESTION, *sent(1), {"role": "assistant", "content": "It is there."}]


TOOL = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}
ODD = [None, {"type": "web_search"}, {"type": "function", "function": None}]


@pytest.mark.parametrize(
    ("tools", "is_offered"),
    [
        ([*ODD, TOOL], True),
        ([{"type": "function", "name": "search"}], True),
        (ODD, False),
        ({"search": TOOL}, False),
        (5, False),
    ],
)
def test_tools_that_the_application_describes_itself_are_offered(
    make_app: MakeApp, model: ScriptedModel, tools: Any, is_offered: bool
) -> None:
    app, sluice = make_app()
    sluice.prepare(lambda chat: chat.replace(extra={"tools": tools}))
    ask_next(app, QUESTION, answer(make_call()))
    assert (messages_of(model)[1:3] == sent(1)) == is_offered


def test_hooks_see_calls_beside_the_text_and_results_count_as_tokens(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    seen: list[Chat] = []
    sluice.prepare(lambda chat: seen.append(chat) or chat)  # type: ignore[func-returns-value]
    model.enqueue(reply("Yes."), reply("Yes."))
    short = ask_next(app, QUESTION, answer(make_call()))["usage"]
    long = ask_next(app, QUESTION, answer(make_call("found x " * 1000)))["usage"]
    assert seen[0].messages[1] == {
        "role": "assistant",
        "content": "It is there.",
        "past_calls": [make_call()],
    }
    assert short["estimated"]
    assert long["prompt_tokens"] > short["prompt_tokens"] + 1000


def test_too_long_a_result_is_cut_and_the_model_is_told(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app(SLUICE_MAX_MESSAGE_CHARS="100")
    sluice.tool(search)
    assert ask_next(app, QUESTION, answer(make_call("x" * 300)))["success"]
    text = messages_of(model)[2]["content"]
    assert text == "x" * 100 + "\n[The result was cut here: it has 300 bytes, of which 100 are shown.]"


@pytest.mark.parametrize(
    ("turn", "field"),
    [
        ({**QUESTION, "tool_calls": [make_call()]}, "conversation_history[0].tool_calls"),
        (answer({"name": "search"}), "conversation_history[0].tool_calls[0].arguments"),
        (answer(make_call(arguments={})), "conversation_history[0].tool_calls[0].arguments"),
        (answer(content="x" * 100_001), "conversation_history[0].content"),
    ],
)
def test_a_bad_call_is_refused_with_its_field(make_app: MakeApp, turn: Any, field: str) -> None:
    app, _ = make_app()
    refused = ask_next(app, turn)
    assert (refused["code"], refused["field"]) == ("invalid_request", field)


def test_the_ai_sdks_parts_are_calls(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    done = {"state": "output-available", "input": {"query": "x"}, "toolCallId": "1"}
    parts = [
        {"type": "step-start"},
        {"type": "dynamic-tool", "toolName": "search", **done, "output": "found x"},
        {"type": "tool-search", **done, "output": {"found": ["x"]}},
        {"type": "tool-search", **done, "state": "output-error", "errorText": "nothing"},
        {"type": "tool-search", **done, "state": "input-available"},
        {"type": "dynamic-tool", **done, "output": "nameless"},
        {"type": "text", "text": "It is there."},
    ]
    messages = [
        {"id": "1", "role": "user", "parts": [{"type": "text", "text": "Where is x?"}, parts[1]]},
        {"id": "2", "role": "assistant", "parts": parts},
        {"id": "3", "role": "user", "parts": [{"type": "text", "text": "And now?"}]},
    ]
    reply = app.test_client().post("/assistant/api/ai-sdk", json={"id": "c", "messages": messages})
    assert reply.status_code == 200
    asked = [*sent(1), *sent(2, '{"found":["x"]}'), *sent(3, "nothing")]
    for message in asked[::2]:
        message["tool_calls"][0]["function"]["arguments"] = '{"query":"x"}'
    assert messages_of(model) == [QUESTION, *asked, {"role": "assistant", "content": "It is there."}]
