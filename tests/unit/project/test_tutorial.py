"""The tutorial, step by step: the program that a reader has after each step shows what the step says."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from sluice.web.extension_state import ExtensionState
from tests.support.documentation import ROOT, blocks
from tools.common.model_scripts import reply, stalling_after
from tools.common.scripted_model import ScriptedModel

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
STEPS = re.split(r"^## \d+\. ", PAGE, flags=re.MULTILINE)[1:]
CHAT = "/assistant/api/chat"
MakeDesk = Callable[[int], FlaskClient]


def files(step: str) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of the files that a step saves or appends to."""
    for name, text in zip(re.findall(r"`(templates/[\w/.]+)`:", step), blocks(step, "jinja"), strict=True):
        yield name, text
    for text in blocks(step, "python"):
        yield "desk.py", text


@pytest.fixture
def make_desk(tmp_path: Path, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeDesk]:
    """Return a function that makes the application as it is after so many steps, for a client that is signed in."""
    for name, value in {"BASE_URL": model.base_url, "MODEL": "m", "API_KEY": "k"}.items():
        monkeypatch.setenv(f"OPENAI_{name}", value)
    made: list[Flask] = []

    def make(steps: int) -> FlaskClient:
        for step in STEPS[:steps]:
            for name, text in files(step):
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a") as file:
                    file.write(f"{text}\n\n")
        spec = importlib.util.spec_from_file_location("desk", tmp_path / "desk.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Flask finds the folder of the templates by it.
        monkeypatch.setitem(sys.modules, "desk", module)
        spec.loader.exec_module(module)
        made.append(module.app)
        client: FlaskClient = module.app.test_client()
        assert "Sign in" in client.get("/").text
        client.post("/sign-in", data={"name": "ada"})
        assert "Sign out" in client.get("/").text
        return client

    yield make
    for app in made:
        if ExtensionState.is_in(app):
            assert ExtensionState.of(app).close()


def ask(client: FlaskClient, message: str = "Hello", mode: str = "block") -> Any:
    return client.post(CHAT, json={"message": message, "interaction_mode": mode})


def system(model: ScriptedModel) -> str:
    """Return the system message of the last request to the model; empty for none."""
    first = model.exchanges[-1].body["messages"][0]
    return str(first["content"]) if first["role"] == "system" else ""


def test_before_the_chat_is_added_the_assistant_is_not_found(make_desk: MakeDesk) -> None:
    assert make_desk(1).get("/assistant/").status_code == 404


def test_two_lines_add_the_chat_for_everybody(make_desk: MakeDesk, model: ScriptedModel) -> None:
    client = make_desk(2)
    client.post("/sign-out")
    model.enqueue(reply("Hello"))
    assert "<title>Sluice</title>" in client.get("/assistant/").text
    assert ask(client).json["message"] == "Hello"


def test_authorize_leads_visitors_to_the_sign_in_and_answers_programs_in_json(make_desk: MakeDesk) -> None:
    client = make_desk(3)
    assert client.get("/assistant/").status_code == 200
    client.post("/sign-out")
    sent = client.get("/assistant/")
    assert (sent.status_code, sent.headers["Location"]) == (302, "/?next=%2Fassistant%2F")
    refused = ask(client)
    assert (refused.status_code, refused.json["code"]) == (401, "sign_in_required")
    with client.session_transaction() as session:
        assert "_flashes" not in session, "a refused request leaves no message behind"


def test_on_end_prints_whole_and_stopped_answers(
    make_desk: MakeDesk, model: ScriptedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    client = make_desk(4)
    model.enqueue(reply("Hello"), stalling_after("Half"))
    ask(client)
    assert capsys.readouterr().out.startswith("ada: done, ")
    with ask(client, mode="stream") as stopped:
        assert any(b"Half" in part for part in stopped.response)
    assert capsys.readouterr().out.startswith("ada: disconnected, ")


def test_prepare_and_before_model_tell_the_model_who_asks_and_what_is_known(
    make_desk: MakeDesk, model: ScriptedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    client = make_desk(6)
    model.enqueue(reply("Hello"), reply("hp-3"))
    ask(client)
    assert system(model) == "Explain every step."
    assert "told 'Explain every step.'" in capsys.readouterr().out
    ask(client, "Where is the printer?")
    assert system(model) == "Explain every step.\n\nThe printer is called hp-3."
    client.post("/sign-in", data={"name": "lin"})
    refused = ask(client, "My password is 1234")
    assert (refused.status_code, refused.json["error"]) == (403, "Please do not send passwords.")
    assert "lin: error" in capsys.readouterr().out


def test_the_page_has_the_layout_of_the_application(make_desk: MakeDesk) -> None:
    page = make_desk(7).get("/assistant/").text
    assert "<title>Assistant</title>" in page
    assert '<a href="/">Desk</a>' in page
    assert 'id="sluice"' in page


def test_a_source_of_the_application_is_streamed(make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "STEPS", [step.replace("sleep(0.5)", "sleep(0)") for step in STEPS])
    text = make_desk(8).get("/count").text
    assert [f'data: {{"number": {number}}}\n' in text for number in range(5)] == [False, True, True, True, False]
    assert text.endswith("event: done\nid: 4\ndata: {}\n\n")


def test_later_steps_change_settings_and_no_program() -> None:
    assert len(STEPS) == 10
    assert not any(list(files(step)) for step in STEPS[8:])
