"""Two applications with settings of their own live in one process, and neither notices the other."""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from sluice.service.settings.records.limits import LimitSettings
from sluice.service.settings.records.page import PageSettings
from sluice.service.settings.records.provider import ProviderSettings
from sluice.service.settings.records.server import ServerSettings
from sluice.service.settings.settings import Settings
from sluice.web import create_app
from sluice.web.extension_state import ExtensionState
from tools.common.raw_client import fetch, post_chat, stream_chat
from tools.common.scripted_model import ScriptedModel, reply


class Handler(WSGIRequestHandler):
    protocol_version: ClassVar[str] = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing."""


@dataclass(frozen=True)
class Served:
    """One application, where it is served, and the model that answers it."""

    app: Flask
    url: str
    model: ScriptedModel

    def metric(self, pattern: str) -> float:
        """Add up the samples whose lines begin with this pattern."""
        text = fetch(self.url, "/metrics").text
        return sum(map(float, re.findall(rf"^{pattern}\S* (\S+)$", text, re.MULTILINE)))


@contextmanager
def served(settings: Settings, model: ScriptedModel) -> Iterator[Served]:
    app = create_app(settings)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    # Else closing it does not wait for the threads of requests.
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Served(app, f"http://127.0.0.1:{server.server_port}", model)
    finally:
        server.shutdown()
        thread.join(5)
        assert ExtensionState.of(app).close()
        server.server_close()


def settings_for(model: ScriptedModel, name: str, **limits: int) -> Settings:
    return Settings(
        provider=ProviderSettings(api_key=f"key-of-{name}", base_url=model.base_url, model=f"model-of-{name}"),
        limits=LimitSettings(**limits),
        page=PageSettings(),
        server=ServerSettings(allowed_hosts=(f"{name}.example",)),
    )


@pytest.fixture
def both() -> Iterator[tuple[Served, Served]]:
    with ExitStack() as stack:
        models = [stack.enter_context(ScriptedModel()) for _ in range(2)]
        one = stack.enter_context(served(settings_for(models[0], "one", max_streams=1), models[0]))
        two = stack.enter_context(served(settings_for(models[1], "two", max_message_chars=3), models[1]))
        yield one, two


def test_each_application_asks_its_own_provider_by_its_own_key(both: tuple[Served, Served]) -> None:
    for application, name in zip(both, ("one", "two"), strict=True):
        application.model.enqueue(reply(name))
        assert post_chat(application.url, message="Hi", interaction_mode="block").json()["message"] == name
        (exchange,) = application.model.exchanges
        assert exchange.body["model"] == f"model-of-{name}"
        assert exchange.headers["authorization"] == f"Bearer key-of-{name}"
        assert fetch(application.url, "/api/config").json()["model"] == f"model-of-{name}"


def test_each_application_has_its_own_limits_hosts_and_counts(both: tuple[Served, Served]) -> None:
    one, two = both
    gate = one.model.gate()
    one.model.enqueue([gate, *reply("a")])
    two.model.enqueue(reply("b"))
    with stream_chat(one.url) as waiting:
        # The first one has a place for one stream, and the second one is not concerned.
        assert post_chat(one.url, message="Hi").status == 503
        assert post_chat(two.url, message="Hi", interaction_mode="block").status == 200
        assert post_chat(two.url, message="Hello").status == 413
        gate.open()
        assert b'"done": true' in waiting.read_body()
    for application, own, other in ((one, "one", "two"), (two, "two", "one")):
        assert fetch(application.url, "/readyz", headers={"Host": f"{own}.example"}).status == 200
        assert fetch(application.url, "/readyz", headers={"Host": f"{other}.example"}).status == 421
        assert application.metric(r'sluice_refused_total\{code="overloaded"') == (application is one)
        assert application.metric(r"sluice_streams_total\{") == 1


def test_one_application_ends_and_the_other_goes_on(both: tuple[Served, Served]) -> None:
    one, two = both
    two.model.enqueue(reply("b"), reply("c"))
    assert post_chat(two.url, message="Hi", interaction_mode="block").status == 200
    ExtensionState.of(one.app).service.begin_drain()
    assert fetch(one.url, "/readyz").status == 503
    assert ExtensionState.of(one.app).close()
    assert fetch(two.url, "/readyz").status == 200
    assert post_chat(two.url, message="Hi", interaction_mode="block").json()["message"] == "c"
    assert ExtensionState.found_in(one.app) == [ExtensionState.of(one.app)]


ROOT = Path(__file__).parents[3]
#: What belongs to a process and not to an application: its signals and configuration, and which applications it made.
OF_THE_PROCESS = {
    ("web/extension_state.py", "_made"),
    ("web/server/gunicorn_hooks.py", "_sets_bind"),
    ("web/master/start_signals.py", "_blocked_before"),
    ("web/master/start_signals.py", "_next_is_worker"),
}


def is_empty_container(value: ast.expr | None) -> bool:
    """Say whether an expression makes a container that can only be there to be filled."""
    match value:
        case ast.List(elts=[]) | ast.Dict(keys=[]):
            return True
        case ast.Call(func=ast.Name(id=name), args=[]):
            return name.lower() in (
                "list",
                "dict",
                "set",
                "deque",
                "defaultdict",
                "counter",
                "weakset",
                "weakvaluedictionary",
            )
        case _:
            return False


def module_state(file: Path) -> Iterator[tuple[str, str]]:
    """Yield what of a module changes while the process lives: variables set by functions, and containers to fill."""
    tree = ast.parse(file.read_text())
    name = str(file.relative_to(ROOT))
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from ((name, variable) for variable in node.names)
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and is_empty_container(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((name, ast.unparse(target)) for target in targets)


def test_no_module_holds_the_state_of_an_application() -> None:
    files = [file for file in (ROOT / "web").rglob("*.py") if "static" not in file.parts]
    assert {state for file in files for state in module_state(file)} == OF_THE_PROCESS
