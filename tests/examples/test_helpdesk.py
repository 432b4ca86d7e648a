"""The example host with its users, languages and tables, under our worker: what a team that copies from it gets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from examples.helpdesk import create_app
from tests.support.helpdesk import CHAT, SECRET_KEY, Helpdesk, Visitor
from tests.support.polling import wait_until
from tools.common.gunicorn_server import REPOSITORY
from tools.common.model_scripts import calling, refused, reply, resetting_after, said, stalling_after, usage_of
from tools.common.raw_client import check_error, fetch
from tools.common.scripted_model import Script

USAGE = usage_of(30, 2)
EXAMPLE = REPOSITORY / "examples" / "helpdesk"


@pytest.fixture(scope="module")
def ada(shared_helpdesk: Helpdesk) -> Visitor:
    return Visitor(shared_helpdesk.url, "ada")


@pytest.fixture(scope="module")
def lin(shared_helpdesk: Helpdesk) -> Visitor:
    return Visitor(shared_helpdesk.url, "lin")


def stored(helpdesk: Helpdesk, count: int = 1) -> list[dict[str, Any]]:
    """Wait until as many answers are stored, and return them."""
    wait_until(lambda: len(helpdesk.answers()) >= count, 5.0, pause=0.01)
    return helpdesk.answers()


@pytest.mark.parametrize("mode", ["block", "stream"])
def test_a_whole_answer_is_stored_once_with_its_tokens(helpdesk: Helpdesk, ada: Visitor, mode: str) -> None:
    helpdesk.model.enqueue(reply("Room ", "314", usage=USAGE))
    answered = ada.ask("Where is the toner?", mode)
    assert answered.status == 200
    assert answered.headers["x-helpdesk"] == "1"
    assert "Room " in answered.text
    (answer,) = stored(helpdesk)
    assert (answer["name"], answer["question"], answer["text"]) == ("ada", "Where is the toner?", "Room 314")
    assert (answer["outcome"], answer["code"], answer["is_estimate"]) == ("done", "", 0)
    assert (answer["prompt_tokens"], answer["completion_tokens"]) == (30, 2)
    assert answer["run_id"] == answered.headers["x-request-id"]
    assert "Room 314" in ada.fetch("/answers").text


def test_a_stopped_answer_is_stored_once_as_half_with_its_tokens(helpdesk: Helpdesk, ada: Visitor) -> None:
    helpdesk.model.enqueue(stalling_after("Half of "))
    with ada.stream("Where is the toner?") as client:
        assert client.next_event().message == "Half of "
    helpdesk.model.wait_idle()
    (answer,) = stored(helpdesk)
    assert (answer["text"], answer["outcome"], answer["code"]) == ("Half of ", "disconnected", "")
    assert answer["prompt_tokens"] > 10
    assert answer["completion_tokens"] > 0
    assert answer["is_estimate"] == 1


FAILURES: list[tuple[Script, str, str, str]] = [
    (refused(401), "", "error", "key_refused"),
    (resetting_after("Half "), "Half ", "error", "upstream_truncated"),
    (stalling_after("Half "), "Half ", "timeout", "upstream_timeout"),
]


@pytest.mark.parametrize("mode", ["block", "stream"])
@pytest.mark.parametrize(("script", "text", "outcome", "code"), FAILURES, ids=[failure[3] for failure in FAILURES])
def test_a_failed_answer_is_stored_once_with_its_code(
    helpdesk: Helpdesk, ada: Visitor, script: Script, text: str, outcome: str, code: str, mode: str
) -> None:
    helpdesk.model.enqueue(script)
    assert f'"code": "{code}"' in ada.ask("Where is the toner?", mode).text.replace('":"', '": "')
    (answer,) = stored(helpdesk)
    assert (answer["text"], answer["outcome"], answer["code"]) == (text, outcome, code)


def test_persona_model_and_found_documents_reach_the_model(helpdesk: Helpdesk, ada: Visitor, lin: Visitor) -> None:
    ada.ask("Which printer is on floor 3?")
    lin.ask("我有多少天年假？")
    lin.ask("??")
    for_ada, for_lin, without = (exchange.body for exchange in helpdesk.model.exchanges)
    system, user = for_ada["messages"]
    assert for_ada["model"] == "gpt-5-mini"
    assert system["role"] == "system"
    assert system["content"].startswith("You are a patient help desk. Explain every step.\n\nUse these documents")
    assert "The printer on floor 3 is called hp-3." in system["content"]
    assert user == {"role": "user", "content": "Which printer is on floor 3?"}
    assert for_lin["model"] == "gpt-5"
    assert "服务台" in for_lin["messages"][0]["content"]
    assert "二十五天年假" in for_lin["messages"][0]["content"]
    assert without["messages"][0]["content"] == "你是公司的服务台。请用中文简短回答。"


def test_a_tool_finds_a_members_own_ticket_and_nobody_elses(helpdesk: Helpdesk, ada: Visitor, lin: Visitor) -> None:
    for visitor, is_error, told in (
        (ada, False, "The screen stays black"),
        (lin, True, "The user has no ticket 1."),
    ):
        helpdesk.model.enqueue(calling(("c1", "find_ticket", '{"number": 1}')), reply("I see."))
        answer = visitor.ask("What is ticket 1 about?").json()
        assert answer["message"] == "I see."
        (call,) = answer["tool_calls"]
        assert (call["name"], call["text"], call["is_error"]) == ("find_ticket", told, is_error)
        assert helpdesk.model.exchanges[-1].body["messages"][-1]["content"] == told
    (described,) = helpdesk.model.exchanges[0].body["tools"]
    assert described["function"]["parameters"]["properties"] == {
        "number": {"type": "integer", "minimum": 1, "description": "The number of the ticket."}
    }


def test_answers_of_two_users_at_once_do_not_mix(helpdesk: Helpdesk, ada: Visitor, lin: Visitor) -> None:
    gate = helpdesk.model.gate()
    visitors = {"ada": ada, "lin": lin}
    clients = {}
    for name, visitor in visitors.items():
        helpdesk.model.enqueue([*reply()[:2], *said(f"for {name}: "), gate, *reply(f"the end for {name}")[2:]])
        clients[name] = visitor.stream(f"I am {name}")
        clients[name].read_head()
    gate.open()
    for name, client in clients.items():
        with client:
            assert client.read_stream()[0] == f"for {name}: the end for {name}"
    answers = stored(helpdesk, 2)
    assert {(each["name"], each["question"], each["text"]) for each in answers} == {
        (name, f"I am {name}", f"for {name}: the end for {name}") for name in visitors
    }
    shown = {name: visitor.fetch("/answers").text for name, visitor in visitors.items()}
    assert "for lin" not in shown["ada"]
    assert "for ada" not in shown["lin"]


def test_only_signed_in_members_chat(helpdesk: Helpdesk) -> None:
    visitor = Visitor(helpdesk.url)
    page = visitor.fetch("/assistant/")
    assert page.status == 302
    assert page.headers["location"] == "/sign-in?next=%2Fassistant%2F"
    for_api = visitor.ask("Hi")
    assert for_api.status == 401
    assert for_api.json()["code"] == "sign_in_required"
    assert "Please sign in." not in visitor.fetch("/sign-in").text, "a refused request leaves no message behind"
    guest = Visitor(helpdesk.url, "guest")
    page = guest.fetch("/assistant/")
    assert page.status == 403
    assert "You may not see this page." in page.text
    for_api = guest.ask("Hi")
    assert for_api.status == 403
    assert for_api.json()["code"] == "forbidden"
    assert helpdesk.model.exchanges == []
    assert helpdesk.answers() == []


def test_a_member_comes_from_the_sign_in_to_the_page(helpdesk: Helpdesk) -> None:
    visitor = Visitor(helpdesk.url)
    moved = visitor.post("/sign-in?next=%2Fassistant%2F", {"name": "ada", "password": "helpdesk"})
    assert (moved.status, moved.headers["location"]) == (302, "/assistant/")
    page = visitor.fetch("/assistant/")
    assert page.status == 200
    assert page.headers["x-helpdesk"] == "1"
    assert page.headers["content-security-policy"] == "default-src 'self'; frame-ancestors 'none'", "the host's own"
    assert visitor.fetch("/assistant/api/config").status == 200
    elsewhere = visitor.post("/sign-in?next=//evil.example/", {"name": "ada", "password": "helpdesk"})
    assert elsewhere.headers["location"] == "/"


@pytest.mark.parametrize("token", ["", "forged"])
@pytest.mark.parametrize("mode", ["block", "stream"])
def test_a_missing_csrf_token_is_an_error_in_json_with_a_sentence(
    helpdesk: Helpdesk, ada: Visitor, token: str, mode: str
) -> None:
    refusal = ada.ask("Hi", mode, token=token)
    assert refusal.status == 400
    check_error(refusal.json(), field_allowed=True)
    assert re.search(r"The CSRF token is (missing|invalid)\.", refusal.json()["error"])
    assert helpdesk.model.exchanges == []


def test_the_host_keeps_its_own_errors_files_and_languages(helpdesk: Helpdesk) -> None:
    visitor = Visitor(helpdesk.url)
    missing = fetch(helpdesk.url, "/nothing")
    assert missing.status == 404
    assert "There is no such page." in missing.text
    assert fetch(helpdesk.url, "/api/tickets/1").status == 401
    assert fetch(helpdesk.url, "/static/site.css").headers["content-type"].startswith("text/css")
    assert fetch(helpdesk.url, CHAT).status == 405
    assert '<html lang="en">' in visitor.fetch("/").text
    assert visitor.post("/language/zh", {}).status == 302
    chinese = visitor.fetch("/").text
    assert '<html lang="zh">' in chinese
    assert "报告问题，或向助手提问。" in chinese
    assert '<html lang="zh">' in visitor.fetch("/", Accept_Language="en").text


def test_the_database_is_not_made_over_an_existing_one(helpdesk: Helpdesk) -> None:
    app = create_app({"DATABASE": str(helpdesk.database), "SECRET_KEY": SECRET_KEY})
    again = app.test_cli_runner().invoke(args=["init-db"])
    assert again.exit_code == 1
    assert "exists already" in again.output


def test_a_host_without_a_secret_key_does_not_start() -> None:
    with pytest.raises(RuntimeError, match="HELPDESK_SECRET_KEY is not set"):
        create_app()


def test_every_text_of_the_example_is_translated_and_compiled() -> None:
    with (EXAMPLE / "translations/zh/LC_MESSAGES/messages.po").open("rb") as file:
        written = {message.id: message.string for message in read_po(file) if message.id}
    with (EXAMPLE / "translations/zh/LC_MESSAGES/messages.mo").open("rb") as file:
        compiled = {message.id: message.string for message in read_mo(file) if message.id}
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext.babel_extract")]
    keywords: dict[str, Any] = {"_": None, "gettext": None, "lazy_gettext": None}
    used = {found[2] for found in extract_from_dir(EXAMPLE, methods, keywords=keywords)}
    assert written.keys() == used
    assert all(written.values())
    assert compiled == written
