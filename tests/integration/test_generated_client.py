"""A client that a generator makes of `/openapi.json`, as it is, speaks with the server that the document is of."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from sluice import __version__
from tests.support.running_server import RunningServer
from tools.common.raw_client import fetch
from tools.common.scripted_model import Chunk, Headers, finished, refused, said

NAME = "generated_sluice_client"


@dataclass(frozen=True)
class Generated:
    """The generated package, and its connection to the server."""

    client: Any

    def module(self, name: str) -> Any:
        """Import one of its modules."""
        return importlib.import_module(f"{NAME}.{name}")

    def call(self, operation: str, **arguments: Any) -> Any:
        """Call an operation, such as `chat.create_chat`, and return status, headers and the parsed reply."""
        return self.module(f"api.{operation}").sync_detailed(client=self.client, **arguments)

    def chat(self, **fields: Any) -> Any:
        """Post a chat of these fields."""
        return self.call("chat.create_chat", body=self.module("models").ChatBody.from_dict(fields))


@pytest.fixture(scope="module")
def package(running_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The generated package's name, importable. Generating fails on any warning."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_bytes(fetch(running_server.url, "/openapi.json").body)
    # Formatting what nobody reads takes longer than generating it.
    (folder / "config.yml").write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta", "none"]
    command += ["--path", "openapi.json", "--output-path", NAME, "--config", "config.yml"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert (made.returncode, "WARNING" in made.stdout.upper()) == (0, False), made.stdout + made.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield NAME
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


@pytest.fixture
def generated(package: str, running_server: RunningServer) -> Iterator[Generated]:
    """The generated client, connected to the server."""
    client = importlib.import_module(package).Client(base_url=running_server.url, raise_on_unexpected_status=True)
    with client:
        yield Generated(client)


def test_it_has_an_operation_for_each_route_under_its_tag(package: str) -> None:
    folder = Path(importlib.import_module(package).__file__ or "").parent
    assert sorted(file.relative_to(folder / "api").as_posix() for file in folder.glob("api/*/[!_]*.py")) == [
        "ai_sdk/create_message.py",
        "ai_sdk/resume_message.py",
        "ai_sdk/stop_message.py",
        "chat/create_chat.py",
        "openai/create_chat_completion.py",
        "openai/get_model.py",
        "openai/list_models.py",
        "operations/get_description.py",
        "operations/get_health.py",
        "operations/get_health_too.py",
        "operations/get_metrics.py",
        "operations/get_readiness.py",
        "page/get_config.py",
        "page/get_page.py",
        "runs/decide_call.py",
        "runs/delete_run.py",
        "runs/follow_run.py",
        "runs/get_run.py",
        "runs/list_runs.py",
        "runs/stop_run.py",
    ]


def test_it_asks_as_clients_of_openais_api_do(generated: Generated, running_server: RunningServer) -> None:
    running_server.model.enqueue((Headers(), *said("Hel", "lo"), *finished()))
    asked = {"messages": [{"role": "user", "content": "Hi"}]}
    body = generated.module("models").OpenAIRequest.from_dict(asked)
    answer = generated.call("openai.create_chat_completion", body=body)
    assert answer.parsed.choices[0].message.content == "Hello"
    listed = generated.call("openai.list_models")
    assert [type(model).__name__ for model in listed.parsed.data][:1] == ["OpenAIModel"]


def test_it_parses_whole_answers(generated: Generated, running_server: RunningServer) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    running_server.model.enqueue((Headers(), Chunk(reasoning="hm"), *said("Hel", "lo"), *finished(usage=usage)))
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    answer = generated.chat(
        message="Hi", interaction_mode="block", conversation_history=history, source="api", model="other-model"
    )
    assert answer.status_code == HTTPStatus.OK
    assert isinstance(answer.parsed, generated.module("models").BlockReply)
    assert (answer.parsed.success, answer.parsed.message, answer.parsed.reasoning) == (True, "Hello", "hm")
    assert (answer.parsed.finish_reason, answer.parsed.usage.total_tokens) == ("stop", 11)


def test_it_begins_an_answer_in_the_background_reads_lists_stops_and_forgets_it(
    generated: Generated, running_server: RunningServer
) -> None:
    models = generated.module("models")
    gate = running_server.model.gate()
    running_server.model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
    body = models.ChatBody.from_dict({"message": "Hi", "background": True})
    begun = generated.call("chat.create_chat", body=body, idempotency_key="one")
    assert (begun.status_code, begun.parsed.state) == (HTTPStatus.ACCEPTED, "running")
    run_id = begun.headers["sluice-run"]
    assert (begun.parsed.id, begun.headers["location"]) == (run_id, f"/api/runs/{run_id}")
    assert [run.id for run in generated.call("runs.list_runs").parsed.runs] == [run_id]
    stopped = generated.call("runs.stop_run", run_id=run_id)
    assert (stopped.status_code, stopped.parsed.state) == (HTTPStatus.OK, "stopped")
    shown = generated.call("runs.get_run", run_id=run_id).parsed
    assert (shown.state, shown.reason, shown.error.code) == ("stopped", "stopped", "stopped")
    events = generated.call("runs.follow_run", run_id=run_id, after="0")
    assert events.parsed.count("\ndata: ") == shown.last_event
    end = generated.call("runs.follow_run", run_id=run_id, last_event_id=str(shown.last_event))
    assert (end.status_code, end.parsed) == (HTTPStatus.NO_CONTENT, None)
    assert generated.call("runs.delete_run", run_id=run_id).status_code == HTTPStatus.NO_CONTENT
    unknown = generated.call("runs.get_run", run_id=run_id)
    assert (unknown.status_code, unknown.parsed.code) == (HTTPStatus.NOT_FOUND, "run_unknown")


def test_it_parses_answers_whose_usage_is_estimated(generated: Generated, running_server: RunningServer) -> None:
    running_server.model.enqueue((Headers(), *said("Hello"), *finished()))
    assert generated.chat(message="Hi").parsed.usage.estimated is True


def test_it_parses_failures_of_every_kind_of_status(generated: Generated, running_server: RunningServer) -> None:
    models = generated.module("models")
    for status, code in [(401, "key_refused"), (404, "upstream_rejected"), (429, "upstream_rate_limited")]:
        running_server.model.enqueue(refused(status))
        failed = generated.chat(message="Hi").parsed
        assert isinstance(failed, models.ErrorReply)
        assert failed.success is False
        assert failed.code == code
        assert failed.request_id
    blank = generated.chat(message=" ")
    assert (blank.status_code, blank.parsed.code, blank.parsed.field) == (400, "invalid_request", "message")
    elsewhere = generated.client.with_headers({"Host": "elsewhere.example"})
    ask = generated.module("api.chat.create_chat").sync_detailed
    refusal = ask(client=elsewhere, body=models.ChatBody(message="Hi"))
    elsewhere.get_httpx_client().close()
    assert (refusal.status_code, refusal.parsed.code) == (421, "invalid_request")


def test_the_generated_client_parses_configuration_and_health(generated: Generated) -> None:
    config = generated.call("page.get_config").parsed
    assert (config.version, config.interaction_mode) == (__version__, "stream")
    assert config.models == ["scripted", "other-model"]
    assert generated.call("operations.get_health").parsed.status == "ok"
    assert generated.call("operations.get_readiness").parsed.status == "ready"
    assert "sluice_" in generated.call("operations.get_metrics").parsed
    assert "<!doctype html>" in generated.call("page.get_page").parsed
    assert generated.call("operations.get_description").parsed["openapi"] == "3.1.0"
