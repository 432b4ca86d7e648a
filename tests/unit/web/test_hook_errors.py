"""What a client gets where a hook refuses or fails: the tables of docs/reference/extension.md, row by row."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort, redirect
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from sluice import Chat, Refused, Sluice
from sluice.web.extension_state import ExtensionState
from tools.common.model_scripts import reply
from tools.common.scripted_model import ScriptedModel

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "extension.md"
SENTENCE = "Only questions about tea are answered."
SECRET = "a secret of the host"


def rows(hook: str) -> list[list[str]]:
    """Return the rows of the table whose first heading is a hook's name and whose last is `API`."""
    (table,) = re.findall(
        rf"^\| `{hook}` \|[^\n]* API \|\n\|[-|]+\|\n((?:\|[^\n]+\n)+)", PAGE.read_text(), re.MULTILINE
    )
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]


def fail(*_: Any) -> Any:
    raise LookupError(SECRET)


def refuse(*_: Any) -> Any:
    raise Refused(SENTENCE)


def aborting(status: int) -> Callable[..., Any]:
    return lambda *_: abort(status)


def returning(value: Any) -> Callable[..., Any]:
    return lambda *_: value


CASES: dict[str, dict[str, list[Callable[..., Any]]]] = {
    "authorize": {
        "returns a text or a number": [returning("ada"), returning(7)],
        "returns `None` or an empty text": [returning(None), returning("")],
        "returns a redirect": [lambda: redirect("/login")],
        "returns another response": [lambda: Response("pay first", 402)],
        "returns something else, such as `True`": [returning(True), returning(["ada"])],
        "calls `abort(401)`": [aborting(401)],
        "calls `abort(403)`": [aborting(403)],
        "calls `abort(503)`": [aborting(503)],
        "calls `abort(429)`, as Flask-Limiter does": [aborting(429)],
        "calls `abort` with another 4xx, such as 409": [aborting(409)],
        "raises another exception": [fail],
    },
    "prepare": {
        "returns a `Chat`": [lambda chat: chat.replace(system="Be brief.")],
        'raises `Refused("sentence")`': [refuse],
        "calls `abort(401)`": [aborting(401)],
        "calls `abort(403)`": [aborting(403)],
        "calls `abort(503)`": [aborting(503)],
        "calls `abort(429)`, as Flask-Limiter does": [aborting(429)],
        "calls `abort` with another 4xx, such as 409": [aborting(409)],
        "returns something else, such as `None`": [returning(None), returning({})],
        "raises another exception": [fail],
    },
    "before_model": {
        "returns a `Chat` or `None`": [lambda chat: chat, returning(None)],
        'raises `Refused("sentence")`': [refuse],
        "takes longer than `SLUICE_FIRST_TOKEN_TIMEOUT`": [lambda chat: asyncio.Event().wait()],
        "returns something else, such as a text": [returning("a text")],
        "calls `abort`": [aborting(401)],
        "raises another exception": [fail],
    },
}
ROWS = [(hook, *cells) for hook in CASES for cells in rows(hook)]


@contextmanager
def host(model: ScriptedModel) -> Iterator[tuple[Flask, Sluice]]:
    """Make an application with the extension and error pages of its own."""
    app = Flask("host")
    app.secret_key = "of the tests"
    app.config.update(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="m", OPENAI_API_KEY="k", OPENAI_MAX_RETRIES=0)
    app.config.update(SLUICE_FIRST_TOKEN_TIMEOUT=0.5)
    app.register_error_handler(HTTPException, lambda error: (f"the host's own {error.code}", error.code or 500))
    sluice = Sluice(app)
    try:
        yield app, sluice
    finally:
        assert ExtensionState.of(app).close()


def on_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the coroutine function that does the same."""

    async def call(chat: Chat) -> Any:
        result = function(chat)
        return await result if asyncio.iscoroutine(result) else result

    return call


def check(response: TestResponse, cell: str) -> None:
    """Hold a reply of the API to a cell such as "403 `refused`, with the sentence"."""
    if cell == "the reply":
        assert response.status_code == 200
        return
    if cell.startswith("that response"):
        assert (response.status_code, response.text) == (402, "pay first")
        return
    expected = re.match(r"(\d{3}) `(\w+)`", cell)
    assert expected is not None, cell
    assert response.json is not None
    assert (response.status_code, response.json["code"]) == (int(expected[1]), expected[2])
    assert ("with the sentence" in cell) == (response.json["error"] == SENTENCE)


@pytest.mark.parametrize(("hook", "what", "cells"), [(hook, what, cells) for hook, what, *cells in ROWS])
def test_a_client_gets_what_the_page_says_of_a_hooks_result(
    model: ScriptedModel, hook: str, what: str, cells: list[str]
) -> None:
    for function in CASES[hook][what]:
        with host(model) as (app, sluice):
            getattr(sluice, hook)(on_loop(function) if hook == "before_model" else function)
            for mode in ("block", "stream"):
                if cells[-1] == "the reply":
                    model.enqueue(reply("Hello"))
                body = {"message": "Hi", "interaction_mode": mode}
                answered = app.test_client().post("/assistant/api/chat", json=body)
                assert SECRET not in answered.text
                check(answered, cells[-1])
            if hook == "authorize":
                shown = app.test_client().get("/assistant/")
                match cells[0]:
                    case "the page":
                        assert "<title>" in shown.text
                    case "the redirect":
                        assert (shown.status_code, shown.headers["Location"]) == (302, "/login")
                    case "that response":
                        assert (shown.status_code, shown.text) == (402, "pay first")
                    case own_page:
                        assert f"{shown.status_code}, the application's error page" == own_page
                        assert shown.text == f"the host's own {shown.status_code}"


@pytest.mark.parametrize("hook", CASES)
def test_the_page_has_a_row_for_each_case(hook: str) -> None:
    assert [what for what, *_ in rows(hook)] == list(CASES[hook])
