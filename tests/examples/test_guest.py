"""A guest changes nothing: the host's responses are the same bytes with and without Sluice, and so is its process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from examples.helpdesk import assistant, create_app
from examples.helpdesk.demo_data import PASSWORD
from sluice import Sluice
from tests.support.helpdesk import SECRET_KEY, make_database
from tools.common.gunicorn_server import REPOSITORY

PREFIX = "/assistant"
NOW = 1_800_000_000
# By visitor; a session changes nothing for the rarer methods.
METHODS = {
    "": ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "TRACE"),
    "ada": ("GET", "HEAD", "OPTIONS"),
    "guest": ("GET",),
}
# An address for each of the host's rules.
ADDRESSES = {
    "/": ["/", "/?q=1", "//"],
    "/sign-in": ["/sign-in", "/sign-in?next=/tickets"],
    "/tickets": ["/tickets", "/tickets/"],
    "/answers": ["/answers"],
    "/language/<any(en, zh):language>": ["/language/zh", "/language/en", "/language/fr"],
    "/api/tickets/<int:ticket_id>": ["/api/tickets/1", "/api/tickets/99", "/api/tickets/x"],
    "/static/<path:filename>": ["/static/site.css", "/static/nothing.css", "/static/js/main.js", "/static/../app.py"],
    "/broken": ["/broken"],
    "/stream": ["/stream"],
    "/folder/": ["/folder/", "/folder"],
    "/sign-out": ["/sign-out"],  # the last
}
# Where Sluice has routes, in an application of its own.
OTHERS = ["/nothing", "/index.html", "/api/chat", "/api/config", "/healthz", "/metrics", "/openapi.json", "/assistan"]

Recorded = tuple[str, str, list[tuple[str, str]], bytes]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_database(tmp_path_factory.mktemp("helpdesk"))


@pytest.fixture
def make_host(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], Flask]]:
    """Return a function that makes the help desk, with or without Sluice. Nothing in its responses is random."""
    monkeypatch.setattr("itsdangerous.timed.time", SimpleNamespace(time=lambda: NOW))
    monkeypatch.setattr("flask_wtf.csrf.os", SimpleNamespace(urandom=bytes))
    made: list[Flask] = []

    def make(with_sluice: bool) -> Flask:
        copy = tmp_path / f"{len(made)}.sqlite"
        shutil.copy(database, copy)
        with monkeypatch.context() as patched:
            if not with_sluice:
                patched.setattr(assistant, "init_app", add_the_rule_only)
            app = create_app({"DATABASE": str(copy), "SECRET_KEY": SECRET_KEY})
        made.append(app)
        app.add_url_rule("/broken", "broken", view_func=lambda: 1 // 0)
        app.add_url_rule("/stream", "stream", view_func=lambda: Response(iter(["one", "two"]), mimetype="text/plain"))
        app.add_url_rule("/folder/", "folder", view_func=lambda: {"in": "folder"})
        return app

    yield make
    for app in made:
        with app.app_context():
            app.extensions["sqlalchemy"].engine.dispose()


def add_the_rule_only(app: Flask) -> None:
    """Let the layout link to the page that is not there."""
    app.add_url_rule(f"{PREFIX}/", "sluice.page.index")


def addresses_of(app: Flask) -> list[str]:
    """Return addresses for all of the host's rules; fails if one is missing."""
    rules = {rule.rule for rule in app.url_map.iter_rules() if not rule.rule.startswith(PREFIX)}
    assert rules == ADDRESSES.keys()
    return OTHERS + [address for addresses in ADDRESSES.values() for address in addresses]


def record(app: Flask) -> list[Recorded]:
    """Return every response of the host to visitors with and without a session."""
    recorded: list[Recorded] = []
    for name, methods in METHODS.items():
        client = app.test_client()
        token = ""

        def keep(method: str, path: str, client: FlaskClient = client, **options: Any) -> str:
            with client.open(path, method=method, **options) as response:
                headers = [(name, value) for name, value in response.headers if name != "Date"]
                recorded.append((f"{method} {path}", response.status, headers, response.data))
                return response.headers.get("Set-Cookie", "")

        if name:
            assert "session=" in keep("GET", "/")
            token = token_of(client)
            keep("POST", "/sign-in", data={"name": name, "password": "wrong", "csrf_token": token})
            keep("POST", "/sign-in", data={"name": name, "password": PASSWORD, "csrf_token": token})
            token = token_of(client)
            keep("POST", "/tickets", data={"subject": "Noise", "csrf_token": token})
            keep("GET", "/tickets")
        for path in addresses_of(app):
            for method in methods:
                keep(method, path)
            keep("GET", path, headers={"Accept": "application/json", "Origin": "https://other.example"})
            keep("POST", path, data={"csrf_token": token})
            keep("POST", path, json={"message": "Hi"}, headers={"X-CSRFToken": token})
        keep("POST", "/sign-out", data={"csrf_token": token})
        keep("GET", "/")
    return recorded


def token_of(client: FlaskClient) -> str:
    return client.get("/").text.partition('csrf-token" content="')[2].partition('"')[0]


def test_every_response_of_the_host_has_the_same_bytes_with_and_without_the_guest(
    make_host: Callable[[bool], Flask],
) -> None:
    with_guest, without = make_host(True), make_host(False)
    after, before = record(with_guest), record(without)
    assert len(after) == len(before) > 500
    assert {status[:3] for _, status, *_ in before} >= {"200", "302", "308", "400", "401", "403", "404", "405", "500"}
    assert any("wrong" in body.decode("utf-8", "replace") for _, _, _, body in before)
    assert [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]] == []


def parts_of(app: Flask) -> dict[str, Any]:
    """Return what an application is made of, where an extension could change it for all of the application."""
    functions = {
        name: dict(getattr(app, name))
        for name in (
            "before_request_funcs",
            "after_request_funcs",
            "teardown_request_funcs",
            "template_context_processors",
            "url_value_preprocessors",
            "url_default_functions",
            "error_handler_spec",
        )
    }
    # By name: None for the application; its other keys are blueprints.
    of_app = {name: repr(found.get(None)) for name, found in functions.items()}
    environment = app.jinja_env
    return {
        **of_app,
        "rules": [repr(rule) for rule in app.url_map.iter_rules() if not rule.rule.startswith(PREFIX)],
        "strict slashes": (app.url_map.strict_slashes, app.url_map.merge_slashes, app.url_map.redirect_defaults),
        "converters": sorted(app.url_map.converters),
        "globals": {name: repr(value) for name, value in environment.globals.items()},
        "filters": {name: repr(value) for name, value in environment.filters.items()},
        "tests": {name: repr(value) for name, value in environment.tests.items()},
        "jinja": (
            environment.autoescape,
            environment.trim_blocks,
            environment.undefined,
            sorted(environment.extensions),
        ),
        "template": environment.get_template("index.html").filename,
        "config": {name: repr(value) for name, value in app.config.items()},
        "teardown": repr((app.teardown_appcontext_funcs, app.shell_context_processors)),
        "classes": (app.request_class, app.response_class, app.json, app.session_interface, app.aborter),
        "logger": (app.logger.level, app.logger.handlers, app.logger.filters, app.logger.propagate),
        "static": (app.static_folder, app.static_url_path, app.has_static_folder, app.template_folder),
    }


def test_the_host_is_made_of_the_same_parts_after_init_app() -> None:
    app = Flask("examples.helpdesk")
    app.jinja_env.filters["shout"] = str.upper
    app.before_request(lambda: None)
    app.after_request(lambda response: response)
    app.register_error_handler(404, lambda error: ("none", 404))
    before = parts_of(app)
    Sluice(app, url_prefix=PREFIX)
    after = parts_of(app)
    # What templates may call is added, and nothing else.
    added = app.template_context_processors[None][1:]
    names = ["sluice_chat", "sluice_forget", "sluice_head", "sluice_signed_out"]
    assert [sorted(functions()) for functions in added] == [names]
    del before["template_context_processors"], after["template_context_processors"]
    assert after == before
    assert app.extensions.keys() == {"sluice"}


PROCESS = Path(__file__).with_name("process_parts.py")


def test_the_process_is_the_same_after_the_import_init_app_and_chats() -> None:
    found = subprocess.run(
        [sys.executable, "-W", "error", str(PROCESS)],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin", "HOME": "/"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    before, *later = json.loads(found.stdout)
    for after in later:
        assert {name: (before[name], after[name]) for name in before if before[name] != after[name]} == {}
