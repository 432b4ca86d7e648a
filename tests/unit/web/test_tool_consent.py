"""`needs_consent`: a person allows a call of a tool, or refuses it, or does not answer; from any client of theirs."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from flask import request

from sluice import Sluice
from sluice.service.runs.stores.base import StoreUnavailable
from sluice.web.extension_state import ExtensionState
from tests.support.extension_app import MakeApp, ask, frames_of
from tests.support.polling import wait_until
from tools.common.model_scripts import calling, reply
from tools.common.scripted_model import ScriptedModel

WITHIN = 5.0


class Mailer:
    """An application whose tool sends mail, which the person has to allow; and that person's client."""

    def __init__(self, make_app: MakeApp, **options: Any) -> None:
        config = {"SLUICE_STORE": "memory:", "SLUICE_CONSENT_TIMEOUT": "5"} | options.pop("config", {})
        self.app, self.sluice = make_app(**config)
        self.sent: list[str] = []
        self.sluice.authorize(lambda: request.headers.get("X-User", "ada"))

        @self.sluice.tool(**({"needs_consent": True} | options))
        async def send(to: str) -> str:
            """Send a mail."""
            self.sent.append(to)
            return f"sent to {to}"

    def begin(self, **body: Any) -> str:
        """Begin an answer that is read later, and return its id."""
        answer = self.app.test_client().post(
            "/assistant/api/chat", json={"message": "Hi", "background": True, **body}
        )
        assert answer.status_code == 202, answer.text
        assert answer.json is not None
        return str(answer.json["id"])

    def frames(self, run_id: str) -> list[dict[str, Any]]:
        """Read an answer to its end."""
        return frames_of(self.app.test_client().get(f"/assistant/api/runs/{run_id}/events"))

    def decide(self, run_id: str, call: Any = "c1", allow: Any = True, **headers: str) -> tuple[int, str]:
        """Take a decision; return the status, and the code of a refusal."""
        answer = self.app.test_client().post(
            f"/assistant/api/runs/{run_id}/consent", json={"call": call, "allow": allow}, headers=headers
        )
        return answer.status_code, answer.json["code"] if answer.json else ""

    def wait_asked(self, run_id: str, events: int = 1) -> None:
        """Wait until the call is shown."""
        client = self.app.test_client()
        path = f"/assistant/api/runs/{run_id}"
        wait_until(lambda: client.get(path).json["last_event"] >= events, WITHIN)  # type: ignore[index]


def outcome(frames: list[dict[str, Any]]) -> tuple[str, str]:
    """Return the text and the code of the only result; the code is empty where the tool has run."""
    (result,) = [frame["tool_result"] for frame in frames if "tool_result" in frame]
    assert result["is_error"] is ("code" in result)
    return result["text"], result.get("code", "")


SEND = calling(("c1", "send", '{"to": "bob"}'), text=["Shall I?"])


@pytest.mark.parametrize(
    ("allow", "result", "sent"),
    [(True, ("sent to bob", ""), ["bob"]), (False, ("The person did not allow it.", "denied"), [])],
)
def test_a_call_waits_for_the_decision_of_the_person_and_does_as_it_says(
    make_app: MakeApp, model: ScriptedModel, allow: bool, result: tuple[str, str], sent: list[str]
) -> None:
    mailer = Mailer(make_app)
    model.enqueue(SEND, reply("I see."))
    run_id = mailer.begin()
    mailer.wait_asked(run_id, 2)
    assert mailer.sent == []
    assert mailer.decide(run_id, allow=allow) == (204, "")
    frames = mailer.frames(run_id)
    (call,) = [frame["tool_call"] for frame in frames if "tool_call" in frame]
    assert call == {"id": "c1", "name": "send", "arguments": '{"to": "bob"}', "needs_consent": True}
    assert outcome(frames) == result
    assert mailer.sent == sent
    assert frames[-1]["done"] is True
    assert model.exchanges[1].body["messages"][-1]["content"] == result[0]
    # It has ended, and waits for nothing.
    assert mailer.decide(run_id) == (404, "call_unknown")


def test_a_decision_is_the_owners_about_a_call_that_waits_and_is_taken_once(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    mailer = Mailer(make_app)
    gate = model.gate()
    model.enqueue(SEND, (gate, *reply("I see.")))
    run_id = mailer.begin()
    mailer.wait_asked(run_id, 2)
    assert mailer.decide(run_id, **{"X-User": "eve"}) == (404, "run_unknown")
    assert mailer.decide("0" * 38) == (404, "run_unknown")
    for call in ("c2", "", "no such call", "c" * 100):
        assert mailer.decide(run_id, call) == (404, "call_unknown")
    for call, allow in ((1, True), ("c1", "yes"), ("c1", None), (None, True)):
        assert mailer.decide(run_id, call, allow) == (400, "invalid_request")
    assert mailer.decide(run_id, Origin="https://elsewhere.example") == (403, "invalid_request")
    assert mailer.sent == []
    assert mailer.decide(run_id, allow=False) == (204, "")
    for allow in (False, True):
        assert mailer.decide(run_id, allow=allow) == (409, "call_decided")
    gate.open()
    assert outcome(mailer.frames(run_id)) == ("The person did not allow it.", "denied")


def test_a_call_that_nobody_decides_in_time_is_denied_and_a_late_decision_refused(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    mailer = Mailer(make_app, config={"SLUICE_CONSENT_TIMEOUT": "0.2", "SLUICE_NEXT_TOKEN_TIMEOUT": "0.1"})
    gate = model.gate()
    model.enqueue(SEND, (gate, *reply("I see.")))
    run_id = mailer.begin()
    mailer.wait_asked(run_id, 3)
    assert mailer.decide(run_id) == (409, "call_decided")
    gate.open()
    assert outcome(mailer.frames(run_id)) == (
        "The person did not decide in time, so it was not allowed.",
        "undecided",
    )
    assert mailer.sent == []


def test_an_answer_that_is_not_kept_cannot_ask_and_the_model_is_told(make_app: MakeApp, model: ScriptedModel) -> None:
    sentence = "The tool send needs a person's consent, and nobody can be asked in this answer."
    for mailer in (Mailer(make_app), Mailer(make_app, config={"SLUICE_STORE": "off"})):
        model.enqueue(SEND, reply("I see."))
        frames = frames_of(ask(mailer.app, mode="stream"))
        assert outcome(frames) == (sentence, "cannot_ask")
        assert not any("needs_consent" in frame.get("tool_call", {}) for frame in frames)
        assert mailer.sent == []


def test_a_client_that_is_not_told_of_a_waiting_call_is_not_waited_for(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    mailer = Mailer(make_app)
    client = mailer.app.test_client()
    body = {"message": "Hi", "interaction_mode": "block", "on_disconnect": "continue"}
    model.enqueue(SEND, reply("I see."), SEND, reply("I see."))
    whole = client.post("/assistant/api/chat", json=body).json
    assert whole is not None
    (call,) = whole["tool_calls"]
    assert call["text"].endswith("nobody can be asked in this answer.")
    message = {"id": "1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    stream = client.post("/assistant/api/ai-sdk", json={"id": "chat", "messages": [message]}).text
    assert "nobody can be asked in this answer." in stream
    assert mailer.sent == []


def test_a_store_that_is_away_when_a_person_is_asked_denies_the_call(
    make_app: MakeApp, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailer = Mailer(make_app)
    stored = ExtensionState.of(mailer.app).service.stored
    gate = model.gate()
    model.enqueue((gate, *SEND), reply("I see."))
    run_id = mailer.begin()

    async def fail(*_: Any) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(stored.registry.store.inner, "mark", fail)
    gate.open()
    text, code = outcome(mailer.frames(run_id))
    assert (text[:39], code) == ("The tool send needs a person's consent,", "cannot_ask")


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (True, ("sent to bob", "")),
        (False, ("sent to bob", "")),
        ("yes", ("The tool send failed.", "failed")),
        (ValueError("no"), ("The tool send failed with an error of the type ValueError.", "failed")),
        (None, ("The tool send did not end within 0.1 seconds.", "timeout")),
    ],
)
def test_a_function_of_the_arguments_says_whether_a_person_is_asked(
    make_app: MakeApp, model: ScriptedModel, answer: Any, result: tuple[str, str]
) -> None:
    seen: list[Mapping[str, Any]] = []

    async def is_far(arguments: Mapping[str, Any]) -> Any:
        seen.append(arguments)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return answer

    mailer = Mailer(make_app, needs_consent=is_far, config={"SLUICE_TOOL_TIMEOUT": "0.1"})
    model.enqueue(SEND, reply("I see."))
    run_id = mailer.begin()
    if answer is True:
        mailer.wait_asked(run_id, 2)
        assert mailer.decide(run_id) == (204, "")
    frames = mailer.frames(run_id)
    assert outcome(frames) == result
    assert seen == [{"to": "bob"}]
    (call,) = [frame["tool_call"] for frame in frames if "tool_call" in frame]
    assert call.get("needs_consent", False) is (answer is True)


def test_arguments_that_are_wrong_ask_nobody(make_app: MakeApp, model: ScriptedModel) -> None:
    mailer = Mailer(make_app)
    model.enqueue(calling(("c1", "send", '{"to": 7}')), reply("I see."))
    frames = mailer.frames(mailer.begin())
    text, code = outcome(frames)
    assert (text[:27], code) == ("The arguments are not valid", "invalid_arguments")
    assert not any("needs_consent" in frame.get("tool_call", {}) for frame in frames)


def test_other_calls_run_while_a_person_thinks_and_several_are_decided_apart(
    make_app: MakeApp, model: ScriptedModel
) -> None:
    mailer = Mailer(make_app)
    ran = threading.Event()

    @mailer.sluice.tool
    async def look() -> str:
        """Look."""
        ran.set()
        return "seen"

    # More than run at once: a call that waits for a person takes no place.
    sends = [(f"c{number}", "send", json.dumps({"to": f"to{number}"})) for number in range(12)]
    model.enqueue(calling(*sends, ("l", "look", "{}")), reply("I see."))
    run_id = mailer.begin()
    assert ran.wait(WITHIN)
    mailer.wait_asked(run_id, 14)
    for number in range(12):
        assert mailer.decide(run_id, f"c{number}", number % 2 == 0) == (204, "")
    frames = mailer.frames(run_id)
    results = [frame["tool_result"] for frame in frames if "tool_result" in frame]
    allowed = {result["id"] for result in results if not result["is_error"]}
    assert allowed == {"l", *(f"c{number}" for number in range(0, 12, 2))}
    assert sorted(mailer.sent) == sorted(f"to{number}" for number in range(0, 12, 2))


def test_a_stopped_answer_waits_for_nobody(make_app: MakeApp, model: ScriptedModel) -> None:
    mailer = Mailer(make_app)
    model.enqueue(SEND)
    run_id = mailer.begin()
    mailer.wait_asked(run_id, 2)
    stopped = mailer.app.test_client().post(f"/assistant/api/runs/{run_id}/stop").json
    assert stopped is not None
    assert stopped["state"] == "stopped"
    assert mailer.decide(run_id)[0] == 404
    assert mailer.sent == []


def consenting(_: Mapping[str, Any]) -> bool:
    return True


@pytest.mark.parametrize("value", [consenting, "yes", 1, None])
def test_a_needs_consent_that_is_neither_a_bool_nor_async_is_refused(value: Any) -> None:
    async def send() -> None:
        """Send."""

    with pytest.raises(TypeError, match="needs_consent of the tool send should be a bool, or an async function"):
        Sluice().tool(needs_consent=value)(send)
