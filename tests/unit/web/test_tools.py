"""`@sluice.tool`: the model calls the application's functions, and goes on with what they return, within limits."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import Any

import pytest
from flask import Flask

from sluice import Chat, RunEnd, Sluice, ToolContext, ToolError
from sluice.service.tools import call_runner
from sluice.web.extension_state import ExtensionState
from tests.support.extension_app import MakeApp, ask, frames_of
from tests.support.polling import wait_until
from tools.common.model_scripts import calling, refused, reply, said, usage_of
from tools.common.model_steps import CallTools, Chunk, End, Headers, Stall
from tools.common.responses_scripts import began, call, called, ended, response_reply, response_usage
from tools.common.scripted_model import ScriptedModel

WITHIN = 5.0


async def search(query: str) -> str:
    """Search the documents."""
    return f"found {query}"


def results_of(frames: list[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    """Return id, text and whether it is an error of each result among frames."""
    results = [frame["tool_result"] for frame in frames if "tool_result" in frame]
    return [(result["id"], result["text"], result["is_error"]) for result in results]


def metric(app: Flask, name: str, **labels: str) -> float:
    """Return a metric of an application's service; 0 where it was not counted."""
    text = ExtensionState.of(app).service.metrics.exposition(0.0, 0).decode()
    for line in text.splitlines():
        if line.startswith(f"{name}{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            return float(line.rpartition(" ")[2])
    return 0.0


# ------------------------------------------------------------------ the loop


def test_the_model_gets_results_and_goes_on_and_readers_see_texts_calls_results_and_one_end(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app()
    ends: list[RunEnd] = []
    sluice.tool(search)
    sluice.on_end(ends.append)
    model.enqueue(
        calling(("c1", "search", '{"query": "x"}'), text=["Let me ", "see. "], usage=usage_of(10, 5)),
        reply("It is ", "there.", usage=usage_of(20, 7)),
    )
    frames = frames_of(ask(app, mode="stream"))
    first, second = model.exchanges
    (described,) = first.body["tools"]
    assert described["function"]["name"] == "search"
    assert described["function"]["description"] == "Search the documents."
    assert described["function"]["strict"] is True
    assert second.body["tools"] == first.body["tools"]
    assert "tool_choice" not in second.body
    call = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"query": "x"}'}}
    assert second.body["messages"][1:] == [
        {"role": "assistant", "content": "Let me see. ", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "found x"},
    ]
    kinds = [next(kind for kind in ("tool_call", "tool_result", "done", "message") if kind in f) for f in frames]
    assert [kind for kind in kinds if kind != "message"] == ["tool_call", "tool_result", "done"]
    assert kinds[0] == "message"
    assert "".join(frame["message"] for frame in frames) == "Let me see. It is there."
    assert results_of(frames) == [("c1", "found x", False)]
    end = frames[-1]
    assert (end["finish_reason"], end["usage"]) == ("stop", usage_of(30, 12))
    (run,) = ends
    assert (run.outcome, run.text, run.finish_reason) == ("done", "Let me see. \n\nIt is there.", "stop")
    ((use),) = run.tool_calls
    assert use.result is not None
    assert (use.call.name, use.call.arguments, use.result.text) == ("search", '{"query": "x"}', "found x")


def test_a_whole_reply_has_the_calls_with_their_results(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    model.enqueue(calling(("c1", "search", '{"query": "x"}')), reply("There."))
    whole = ask(app).json
    assert whole is not None
    (call,) = whole["tool_calls"]
    assert call.pop("seconds") >= 0
    assert call == {
        "id": "c1", "name": "search", "arguments": '{"query": "x"}', "text": "found x", "is_error": False
    }  # fmt: skip
    assert whole["message"] == "There."
    # No step was counted by the provider.
    assert whole["usage"]["estimated"] is True
    assert whole["usage"]["prompt_tokens"] > 2 * 4


def test_an_answer_without_calls_is_as_without_tools(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    model.enqueue(reply("Hel", "lo", usage=usage_of(3, 2)))
    frames = frames_of(ask(app, mode="stream"))
    assert "".join(frame["message"] for frame in frames) == "Hello"
    assert frames[-1]["usage"] == usage_of(3, 2)
    assert len(model.exchanges) == 1


def test_calls_of_one_step_run_at_once_and_their_results_keep_the_order(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app()
    met: list[asyncio.Barrier] = []

    @sluice.tool
    async def meet(who: int) -> int:
        """Wait for the other call."""
        if not met:
            met.append(asyncio.Barrier(2))
        await met[0].wait()
        if who == 1:
            await asyncio.sleep(0.01)
        return who

    model.enqueue(calling(("a", "meet", '{"who": 1}'), ("b", "meet", '{"who": 2}')), reply("Done."))
    frames = frames_of(ask(app, mode="stream"))
    # Each result is shown when it is there.
    assert [call_id for call_id, *_ in results_of(frames)] == ["b", "a"]
    contents = [message["content"] for message in model.exchanges[1].body["messages"] if message["role"] == "tool"]
    assert contents == ["1", "2"]


def test_a_hundred_and_twenty_eight_calls_at_once_run_a_few_at_a_time(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app()
    running = [0, 0]

    @sluice.tool
    async def count() -> int:
        """Count."""
        running[0] += 1
        running[1] = max(running)
        await asyncio.sleep(0)
        running[0] -= 1
        return running[0]

    model.enqueue(calling(*((f"c{number}", "count", "{}") for number in range(130))), reply("Done."))
    frames = frames_of(ask(app, mode="stream"))
    assert len(results_of(frames)) == 128
    assert running == [0, call_runner.MOST_AT_ONCE]
    assert "".join(frame["message"] for frame in frames) == "Done."


def test_a_model_that_calls_for_ever_is_asked_for_an_answer_without_tools_at_the_limit(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app(SLUICE_TOOL_STEPS="3")
    sluice.tool(search)
    sluice.prepare(lambda chat: chat.replace(extra={"tool_choice": "required"}))
    model.default = calling(("same", "search", '{"query": "x"}'), text=["Again. "])
    frames = frames_of(ask(app, mode="stream"))
    assert [exchange.body.get("tool_choice") for exchange in model.exchanges] == ["required", None, None, "none"]
    # The last calls are not run, and no reader waits for their results. An id is one call's.
    assert [call_id for call_id, *_ in results_of(frames)] == ["same", "same_2", "same_3"]
    assert [frame["tool_call"]["id"] for frame in frames if "tool_call" in frame] == ["same", "same_2", "same_3"]
    assert (frames[-1]["done"], frames[-1]["finish_reason"]) == (True, "tool_calls")
    assert "".join(frame["message"] for frame in frames) == "Again. " * 4


def test_a_step_that_fails_before_its_first_token_is_tried_again_and_a_later_failure_ends_the_answer(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    call = calling(("c1", "search", '{"query": "x"}'))
    model.enqueue(call, refused(503), reply("There."))
    frames = frames_of(ask(app, mode="stream"))
    assert results_of(frames) == [("c1", "found x", False)]
    assert frames[-1]["done"] is True
    model.enqueue(call, (Headers(), *said("The"), End()))
    frames = frames_of(ask(app, mode="stream"))
    assert [frame.get("code") for frame in frames][-1] == "upstream_truncated"
    assert not any("done" in frame for frame in frames)


# ------------------------------------------------------------------ calls that fail


async def count_to(number: int) -> int:
    """Count."""
    return number


async def fail() -> None:
    """Fail."""
    raise OSError("/srv/secret/path is not there")


async def explain() -> None:
    """Fail, and say why."""
    raise ToolError("There is no\nticket 7.")


async def leave() -> None:
    """End the process."""
    raise SystemExit(3)


async def interrupt() -> None:
    """End the process."""
    raise KeyboardInterrupt


async def close() -> None:
    """Raise what a generator gets."""
    raise GeneratorExit


async def cancel_itself() -> None:
    """Cancel."""
    raise asyncio.CancelledError


async def no_json() -> object:
    """Return an object."""
    return object()


class Unwritable:
    """Fails while it is written."""

    def model_dump_json(self) -> str:
        """Fail."""
        raise KeyError("secret")


async def unwritable() -> object:
    """Return an object whose own code fails."""
    return Unwritable()


async def hang() -> None:
    """Hang."""
    await asyncio.Event().wait()


async def swallow() -> None:
    """Hang, and go on when cancelled."""
    for _ in range(2):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


FAILING = (count_to, fail, explain, leave, interrupt, close, cancel_itself, no_json, unwritable, hang, swallow)


@pytest.mark.parametrize(
    ("name", "arguments", "text", "outcome"),
    [
        ("count_to", '{"number": "x"}', "The arguments are not valid: Expected `int`, got `str`", "invalid"),
        ("count_to", '{"number', "The arguments are not valid JSON: Input data was truncated", "invalid"),
        ("count_to", "[1]", "The arguments should be one JSON object.", "invalid"),
        ("fail", "{}", "The tool fail failed with an error of the type OSError.", "error"),
        ("explain", "{}", "There is no ticket 7.", "error"),
        ("leave", "{}", "The tool leave failed with an error of the type SystemExit.", "error"),
        ("interrupt", "{}", "The tool interrupt failed with an error of the type KeyboardInterrupt.", "error"),
        ("close", "{}", "The tool close failed with an error of the type GeneratorExit.", "error"),
        ("cancel_itself", "{}", "The tool cancel_itself was cancelled.", "error"),
        ("no_json", "{}", "The tool no_json failed: its result cannot be written as JSON.", "error"),
        ("unwritable", "{}", "The tool unwritable failed: its result cannot be written as JSON.", "error"),
        ("hang", "{}", "The tool hang did not end within 0.1 seconds.", "timeout"),
        ("swallow", "{}", "The tool swallow did not end within 0.1 seconds.", "timeout"),
        ("", "{}", "There is no tool ''. There are: ", "unknown"),
        ("no such tool\ud800", "{}", "There is no tool 'no_such_tool_'. There are: ", "unknown"),
    ],
)  # fmt: skip
def test_a_call_that_fails_is_told_to_the_model_in_a_sentence_and_the_answer_goes_on(
    make_app: MakeApp,
    model: ScriptedModel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    arguments: str,
    text: str,
    outcome: str,
) -> None:
    monkeypatch.setattr(call_runner, "CANCEL_GRACES", (0.05, 0.05, 1.0))
    caplog.set_level(logging.INFO)
    app, sluice = make_app(SLUICE_TOOL_TIMEOUT="0.1")
    for function in FAILING:
        sluice.tool(function)
    model.enqueue(calling(("c1", name, arguments)), reply("I am sorry."))
    frames = frames_of(ask(app, mode="stream"))
    ((_, told, is_error),) = results_of(frames)
    assert told.startswith(text)
    assert is_error
    # The page says Sluice's own sentences in the person's language.
    codes = {"invalid": "invalid_arguments", "unknown": "unknown_tool", "timeout": "timeout", "error": "failed"}
    (described,) = [frame["tool_result"] for frame in frames if "tool_result" in frame]
    assert described.get("code") == (None if name == "explain" else codes[outcome])
    assert (frames[-2]["message"], frames[-1]["done"]) == ("I am sorry.", True)
    answer, result = model.exchanges[1].body["messages"][1:]
    assert result["content"] == told
    # Servers parse what is sent back.
    (call,) = answer["tool_calls"]
    assert isinstance(json.loads(call["function"]["arguments"]), dict)
    assert call["function"]["name"]
    label = "" if outcome == "unknown" else name
    assert metric(app, "sluice_tool_calls_total", tool=label, outcome=outcome) == 1
    assert metric(app, "sluice_tool_call_duration_seconds_count", tool=label) == 1
    line = next(line for line in caplog.messages if line.startswith("tool="))
    assert line.startswith(f"tool={label or '-'} run=")
    assert f" outcome={outcome} " in line
    if name == "fail":
        assert "secret" not in told
        assert any(record.exc_info for record in caplog.records)


def test_a_call_that_ignores_every_cancellation_does_not_hold_the_answer_and_is_named_in_the_log(
    make_app: MakeApp, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(call_runner, "CANCEL_GRACES", (0.01, 0.01))
    app, sluice = make_app()
    may_end = threading.Event()
    late: list[Exception] = []

    @sluice.tool(timeout=0.05)
    async def stubborn(context: ToolContext) -> None:
        """Hang."""
        while not may_end.is_set():
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                continue
        try:
            await context.emit("late", 1)
        except RuntimeError as error:
            late.append(error)

    model.enqueue(calling(("c1", "stubborn", "{}")), reply("Without it."))
    try:
        frames = frames_of(ask(app, mode="stream"))
    finally:
        may_end.set()
    assert results_of(frames) == [("c1", "The tool stubborn did not end within 0.05 seconds.", True)]
    assert any("stubborn ignores that it was cancelled" in message for message in caplog.messages)
    wait_until(lambda: bool(late), WITHIN)
    assert "the call has ended" in str(late[0])


# ------------------------------------------------------------------ what ends a run ends its calls


class Hanging:
    """A tool that waits until it is cancelled, and says so."""

    def __init__(self, sluice: Sluice) -> None:
        self.begun, self.cancelled = threading.Event(), threading.Event()

        @sluice.tool(timeout=60)
        async def hang() -> None:
            """Hang."""
            self.begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()


def test_a_client_that_stops_and_a_drain_cancel_the_calls(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()
    hanging = Hanging(sluice)
    service = ExtensionState.of(app).service
    tools = ExtensionState.of(app).hooks.tools
    model.default = calling(("c1", "hang", "{}"), ("c2", "hang", "{}"))
    chat = Chat([{"role": "user", "content": "Hi"}], "m", run_id="r")
    run = service.open(chat, tools=tools)
    assert hanging.begun.wait(WITHIN)
    run.close()
    assert hanging.cancelled.is_set()
    assert metric(app, "sluice_tool_calls_total", tool="hang", outcome="cancelled") == 2
    hanging.begun.clear()
    hanging.cancelled.clear()
    run = service.open(chat, tools=tools)
    assert hanging.begun.wait(WITHIN)
    service.begin_drain(0.0)
    events = [event for _, batch in run for event in batch]
    run.close()
    assert hanging.cancelled.is_set()
    assert type(events[-1]).__name__ == "Failed"


def test_the_limit_of_the_whole_answer_holds_for_its_tools_too(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app(SLUICE_TOTAL_TIMEOUT="0.4", SLUICE_FIRST_TOKEN_TIMEOUT="0.3")
    hanging = Hanging(sluice)
    model.enqueue(calling(("c1", "hang", "{}")))
    frames = frames_of(ask(app, mode="stream"))
    assert frames[-1]["code"] == "upstream_timeout"
    assert hanging.cancelled.is_set()


def test_the_limit_of_the_whole_answer_is_not_begun_again_with_each_step(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app(SLUICE_TOTAL_TIMEOUT="0.5", SLUICE_FIRST_TOKEN_TIMEOUT="0.5")

    @sluice.tool
    async def rest() -> None:
        """Wait."""
        await asyncio.sleep(0.1)

    model.default = calling(("c1", "rest", "{}"))
    frames = frames_of(ask(app, mode="stream"))
    assert frames[-1]["code"] == "upstream_timeout"
    assert len(model.exchanges) <= 6


def test_a_model_that_stalls_in_a_later_step_ends_at_the_limit_of_a_token(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app(SLUICE_FIRST_TOKEN_TIMEOUT="0.2", OPENAI_MAX_RETRIES="0")
    sluice.tool(search)
    model.enqueue(calling(("c1", "search", '{"query": "x"}')), (Headers(), Stall()))
    frames = frames_of(ask(app, mode="stream"))
    assert results_of(frames) == [("c1", "found x", False)]
    assert frames[-1]["code"] == "upstream_timeout"


# ------------------------------------------------------------------ what a tool knows and may do


def test_a_tool_knows_its_run_and_sends_events_of_the_application(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()
    seen: list[ToolContext] = []
    sluice.authorize(lambda: "ada")
    sluice.prepare(lambda chat: chat.replace(context={"team": "blue"}))

    @sluice.tool
    async def cite(context: ToolContext, page: int) -> str:
        """Cite."""
        seen.append(context)
        await context.emit("citation", {"page": page, "text": "a\u2028b"})
        for bad in ("", "no spaces", "\n", 7):
            with pytest.raises(ValueError, match="name"):
                await context.emit(bad, 1)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="bytes"):
            await context.emit("large", "a" * 70_000)
        with pytest.raises(TypeError):
            await context.emit("object", object())
        return "cited"

    model.enqueue(calling(("c1", "cite", '{"page": 7}')), reply("There."))
    frames = frames_of(ask(app, mode="stream"))
    assert results_of(frames) == [("c1", "cited", False)]
    custom = [frame["custom"] for frame in frames if "custom" in frame]
    assert custom == [{"name": "citation", "data": {"page": 7, "text": "a\u2028b"}}]
    (context,) = seen
    assert (context.context, context.user, context.call_id) == ({"team": "blue"}, "ada", "c1")
    assert context.run_id


def test_a_slow_reader_holds_tools_back_that_send_many_events(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()
    sent: list[int] = []

    @sluice.tool
    async def flood(context: ToolContext) -> None:
        """Send many."""
        for number in range(200):
            await context.emit("progress", number)
            sent.append(number)

    model.enqueue(calling(("a", "flood", "{}"), ("b", "flood", "{}")), reply("Done."))
    state = ExtensionState.of(app)
    run = state.service.open(Chat([{"role": "user", "content": "Hi"}], "m"), tools=state.hooks.tools)
    with run:
        model.wait_for_request()
        wait_until(lambda: len(sent) >= 50, WITHIN)
        wait_until(lambda: run.log.is_full, WITHIN)
        assert len(sent) < 100
        events = [event for _, batch in run for event in batch]
    assert len(sent) == 400
    assert type(events[-1]).__name__ == "Finished"


def test_a_result_is_cut_at_its_limit(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()

    @sluice.tool(max_result_bytes=10)
    async def small() -> str:
        """Return much."""
        return "a" * 11

    @sluice.tool(name="as-usual", description="Return more.")
    async def large() -> str:
        return "a" * 100_000

    @sluice.tool
    async def explained() -> str:
        """Fail, and say much about it."""
        raise ToolError("a" * 100_000)

    strange = json.dumps({"a" * 100_000: 1})
    calls = [("a", "small", "{}"), ("b", "as-usual", "{}"), ("c", "explained", "{}"), ("d", "explained", strange)]
    model.enqueue(calling(*calls), reply("Done."))
    results = sorted(results_of(frames_of(ask(app, mode="stream"))))
    shown = [text.partition("\n")[0] for _, text, _ in results]
    assert shown[:3] == ["a" * 10, "a" * 65_536, "a" * 65_536]
    assert len(shown[3]) == 65_536
    assert all("The result was cut here" in text for _, text, _ in results)


# ------------------------------------------------------------------ which tools


def names(body: dict[str, Any]) -> list[str]:
    """Return the names of the tools in a request to the model."""
    return [tool["function"]["name"] for tool in body.get("tools", ())]


def test_prepare_and_before_model_choose_the_tools_of_a_chat(make_app: MakeApp, model: ScriptedModel) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    sluice.tool(count_to)
    chosen: list[dict[str, Any]] = [{}]
    sluice.prepare(lambda chat: chat.replace(**chosen[0]))

    @sluice.before_model
    async def narrow(chat: Chat) -> Chat:
        return chat.replace(tools=["count_to"]) if chat.tools and len(chat.tools) > 1 else chat

    own = {"type": "function", "function": {"name": "own"}}
    for changes, expected in (
        ({}, ["search", "count_to"]),
        ({"tools": ("search",)}, ["search"]),
        ({"tools": ()}, []),
        ({"tools": ("search", "count_to")}, ["count_to"]),
        ({"extra": {"tools": [own]}}, ["own"]),
    ):
        chosen[0] = changes
        model.enqueue(reply("Hi"))
        assert ask(app).status_code == 200
        assert names(model.exchanges[-1].body) == expected
    count = len(model.exchanges)
    for changes in ({"tools": ("no_such",)}, {"tools": "search"}, {"tools": ("search",), "extra": {"tools": [own]}}):
        chosen[0] = changes
        assert ask(app).status_code == 500
    assert len(model.exchanges) == count


def test_clients_of_openais_api_bring_their_own_tools_and_never_see_the_hosts(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    own = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}
    # What the application chooses for its page is not theirs.
    sluice.prepare(lambda chat: chat.replace(tools=["search"]))
    for tools in ([own], None):
        model.enqueue(calling(("c1", "search", "{}")))
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **({"tools": tools} if tools else {})}
        done = app.test_client().post("/assistant/v1/chat/completions", json=body).json
        assert done is not None
        assert done["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "search"
        assert model.exchanges[-1].body.get("tools") == tools
    assert len(model.exchanges) == 2


def test_what_gemini_sends_beside_a_call_is_sent_back_with_it_and_shown_to_nobody(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    extra = {"google": {"thought_signature": "c2lnbmVk/+=="}}
    function = {"name": "search", "arguments": '{"query": "x"}'}
    first = {"index": 0, "id": "a", "type": "function", "function": function, "extra_content": extra}
    second = {"index": 1, "id": "b", "type": "function", "function": function}
    model.enqueue((Headers(), Chunk(tool_calls=(first, second), finish_reason="tool_calls")), reply("There."))
    reply_text = ask(app, mode="stream").text
    assert "thought_signature" not in reply_text
    sent = model.exchanges[1].body["messages"][1]["tool_calls"]
    assert [call.get("extra_content") for call in sent] == [extra, None]
    assert [call["function"] for call in sent] == [function, function]


def test_the_loop_is_the_same_with_a_provider_that_speaks_the_responses_api(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app(OPENAI_API="responses", SLUICE_TOOL_STEPS="1")
    sluice.tool(search)
    calls = called(0, "c1", "search", '{"query":', ' "x"}')
    item = call("c1", "search", '{"query": "x"}')
    model.enqueue(
        (*began(), *calls, *ended(output=[item], usage=response_usage(5, 3))),
        response_reply("There.", usage=response_usage(9, 1)),
    )
    frames = frames_of(ask(app, mode="stream"))
    assert results_of(frames) == [("c1", "found x", False)]
    assert (frames[-2]["message"], frames[-1]["usage"]) == ("There.", usage_of(14, 4))
    first, second = model.exchanges
    (described,) = first.body["tools"]
    assert (described["type"], described["name"], described["strict"]) == ("function", "search", True)
    assert second.body["tool_choice"] == "none"
    kinds = [(each.get("type"), each.get("call_id")) for each in second.body["input"][-2:]]
    assert kinds == [("function_call", "c1"), ("function_call_output", "c1")]


def test_calls_in_pieces_without_ids_and_with_a_filtered_end_are_read(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    app, sluice = make_app()
    sluice.tool(search)
    nameless = (Headers(), CallTools((("", "search", '{"query": "x"}'),)), Chunk(finish_reason="stop"))
    model.enqueue(nameless, nameless, reply("There."))
    frames = frames_of(ask(app, mode="stream"))
    assert [call_id for call_id, *_ in results_of(frames)] == ["call_0", "call_0_2"]
    model.enqueue((Headers(), CallTools((("a", "search", '{"que'),)), Chunk(finish_reason="content_filter")))
    frames = frames_of(ask(app, mode="stream"))
    assert [frame.get("finish_reason") for frame in frames] == ["content_filter"]


# ------------------------------------------------------------------ registration


def sync(text: str) -> None:
    """Block the loop."""


async def undocumented(text: str) -> None: ...


async def stream(text: str) -> Any:
    """Yield."""
    yield text


@pytest.mark.parametrize(
    ("function", "options", "error", "sentence"),
    [
        (sync, {}, TypeError, "the tool sync should be an async function: `async def`; it is awaited on the event"),
        (stream, {}, TypeError, "should be an async function"),
        ("search", {}, TypeError, "a tool should be an async function; this is of type str"),
        (undocumented, {}, ValueError, "has no docstring"),
        (search, {"name": "no spaces"}, ValueError, "it should have 1 to 64 ASCII letters"),
        (search, {"name": ""}, ValueError, "it should have 1 to 64 ASCII letters"),
        (search, {"description": " "}, ValueError, "has no docstring"),
        (search, {"timeout": 0}, ValueError, "a number of seconds above 0"),
        (search, {"max_result_bytes": 0}, ValueError, "at least 1"),
    ],
)
def test_what_is_no_tool_is_refused_with_a_sentence(
    function: Any, options: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        Sluice().tool(**options)(function)


def test_two_tools_of_one_name_are_refused() -> None:
    sluice = Sluice()
    assert sluice.tool(search) is search
    with pytest.raises(RuntimeError, match="there is a tool search already"):
        sluice.tool(search)
