"""The programs in the documentation do what the pages say of them."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask, url_for
from flask_login import LoginManager, UserMixin

from sluice.web.extension_state import ExtensionState
from tests.support.documentation import ROOT, program
from tools.common.model_scripts import reply
from tools.common.scripted_model import ScriptedModel


@pytest.fixture
def started() -> Iterator[list[Any]]:
    """Collect loops that examples start, and end them."""
    loops: list[Any] = []
    yield loops
    for loop in loops:
        loop.close()


def run(source: str, loops: list[Any]) -> Flask:
    module = ModuleType("example")
    exec(compile(source, "example", "exec"), module.__dict__)
    if hasattr(module, "loop"):
        loops.append(module.loop)
    app = module.app
    assert isinstance(app, Flask)
    return app


def test_the_example_view_streams_its_items(started: list[Any]) -> None:
    source = program("docs/how-to/embed-bridge.md", "Bridge(loop, words())")
    source = source.replace("asyncio.sleep(0.5)", "asyncio.sleep(0)")
    assert run(source, started).test_client().get("/words").text == "one\nloop\nis\nenough\n"


def test_the_example_of_an_application_that_sluice_cannot_be_added_to_has_the_chat_below_a_path(
    started: list[Any],
) -> None:
    client = run(program("docs/how-to/install.md", "DispatcherMiddleware"), started).test_client()
    assert client.get("/assistant/api/config").status_code == 200
    assert client.get("/api/config").status_code == 404


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "docs/how-to/install.md"])
def test_five_lines_add_the_chat_to_an_application(page: str, started: list[Any]) -> None:
    source = program(page, "app = Flask(__name__)\nsluice = Sluice(app")
    assert len(source.replace("\n\n", "\n").splitlines()) == 4
    app = run(source, started)
    assert app.test_client().get("/assistant/api/config").status_code == 200
    with app.test_request_context():
        assert url_for("sluice.page.index") == "/assistant/"


class Person(UserMixin):
    """A user as the example's hooks expect one."""

    id = "ada"
    model = "larger"
    persona = "Be patient."


def test_the_example_of_the_hooks_connects_users_documents_and_answers(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "docs/how-to/install.md"
    for name, value in {"BASE_URL": model.base_url, "MODEL": "m", "API_KEY": "k"}.items():
        monkeypatch.setenv(f"OPENAI_{name}", value)
    saved: list[tuple[Any, ...]] = []

    async def search(question: str) -> str:
        return f"What is known of {question}."

    names: dict[str, Any] = {"__name__": "app", "search": search, "save": lambda *values: saved.append(values)}
    for part in ("app = Flask(__name__)\nsluice = Sluice(app", "@sluice.authorize"):
        exec(compile(program(page, part), page, "exec"), names)
    app: Flask = names["app"]
    app.secret_key = "of the tests"
    people = LoginManager(app)
    people.request_loader(lambda request: Person() if request.headers.get("X-User") == "ada" else None)
    client = app.test_client()
    try:
        assert client.get("/assistant/").status_code == 401
        refused = client.post("/assistant/api/chat", json={"message": "Hi"})
        assert (refused.status_code, refused.get_json()["code"]) == (401, "sign_in_required")
        model.enqueue(reply("Hello"))
        answered = client.post("/assistant/api/chat", json={"message": "tea"}, headers={"X-User": "ada"})
        assert answered.get_json()["message"] == "Hello"
    finally:
        assert ExtensionState.of(app).close()
    (exchange,) = model.exchanges
    assert exchange.body["model"] == "larger"
    assert exchange.body["messages"][0]["content"] == "Be patient.\n\nWhat is known of tea."
    ((run_id, *stored, tokens),) = saved
    assert run_id == answered.headers["X-Request-Id"]
    assert stored == ["ada", "Hello", "done"]
    assert tokens > 0


def test_the_copied_bridge_streams_ticks_and_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], started: list[Any]
) -> None:
    page = (ROOT / "docs/how-to/embed-bridge.md").read_text(encoding="utf-8")
    (copied,) = re.findall(r"^Copy the folder `(\S+)/`", page, re.MULTILINE)
    shutil.copytree(ROOT / copied, tmp_path / "streaming", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(tmp_path)
    try:
        app = run(program("docs/how-to/embed-bridge.md", "async def count"), started)
        client = app.test_client()
        whole = client.get("/count?to=2").text
        failed = client.get("/count?to=5").text
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "streaming"]:
            del sys.modules[name]
    tick = ":\n\n"
    assert tick in whole + failed  # on a busy machine, not in each pause
    assert whole.replace(tick, "") == "data: 1\n\ndata: 2\n\n"
    assert failed.replace(tick, "").endswith('data: 3\n\ndata: {"error": "the count failed"}\n\n')
    assert capsys.readouterr().out == "the source has ended\n" * 2
