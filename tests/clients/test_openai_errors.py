"""The openai packages' own classes of exceptions, and what else only they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.clients.client_process import ClientProcess
from tests.clients.clients import of_clients
from tests.support.running_server import RunningServer
from tools.common.scripted_model import MODEL_NAME, Script, document, refused, resetting_after

TOO_LONG = {"error": {"message": "maximum context length", "code": "context_length_exceeded", "type": "x"}}
NEVER = refused(418)


of_openai = of_clients(lambda client: client.driver.startswith("openai_"))
of_the_first = of_clients(lambda client: client.driver == "openai_sync.py")


@of_openai
@pytest.mark.parametrize(
    ("script", "asked", "kind", "status", "code"),
    [
        pytest.param(refused(401), {}, "InternalServerError", 502, "key_refused", id="the key is refused"),
        pytest.param(refused(429), {}, "RateLimitError", 429, "upstream_rate_limited", id="too many requests"),
        pytest.param(refused(500), {}, "InternalServerError", 502, "upstream_unavailable", id="the provider fails"),
        pytest.param(refused(400, TOO_LONG), {}, "BadRequestError", 400, "context_length_exceeded", id="too long"),
        pytest.param(document("<html>"), {}, "InternalServerError", 502, "upstream_invalid", id="a page of HTML"),
        pytest.param(NEVER, {"model": "other"}, "NotFoundError", 404, "invalid_request", id="an unknown model"),
        pytest.param(NEVER, {"prompt": "x" * 20_001}, "APIError", 413, "invalid_request", id="a long prompt"),
    ],
)
@pytest.mark.parametrize("operation", ["stream", "whole"])
def test_a_failure_is_raised_as_the_packages_own_exception(
    process: ClientProcess, server: RunningServer, operation: str, script: Script, asked: Mapping[str, Any],
    kind: str, status: int, code: str,
) -> None:  # fmt: skip
    server.model.enqueue(script)
    seen = process.ask(operation, **{"prompt": "Hi", **asked})
    assert seen.error is not None
    assert (kind in seen.error["types"], seen.error["status"], seen.error["code"]) == (True, status, code), seen.error


@of_openai
def test_a_stream_that_breaks_off_is_an_api_error_with_the_code(
    process: ClientProcess, server: RunningServer
) -> None:
    server.model.enqueue(resetting_after("Hel"))
    seen = process.ask("stream", prompt="Hi")
    assert seen.error is not None
    assert "APIError" in seen.error["types"]
    assert (seen.error["code"], seen.finish, seen.text) == ("upstream_truncated", None, "Hel")


@of_openai
def test_a_whole_answer_that_breaks_off_has_a_status(process: ClientProcess, server: RunningServer) -> None:
    server.model.enqueue(resetting_after("Hel"))
    seen = process.ask("whole", prompt="Hi")
    assert seen.error is not None
    assert (seen.error["status"], seen.error["code"], seen.text) == (502, "upstream_truncated", "")


@of_clients(lambda client: client.driver in ("openai_sync.py", "openai_node.mjs"))
def test_the_models_are_listed_and_an_unknown_one_is_not_found(process: ClientProcess, server: RunningServer) -> None:
    seen = process.ask("models")
    assert seen.value == [MODEL_NAME]
    assert seen.error is not None
    assert "NotFoundError" in seen.error["types"]


@of_the_first
def test_a_route_that_is_not_here_is_not_found_and_says_which_are(
    process: ClientProcess, server: RunningServer
) -> None:
    seen = process.ask("foreign_route")
    assert seen.error is not None
    assert "NotFoundError" in seen.error["types"]
    assert "POST /v1/chat/completions" in seen.error["message"]


@of_the_first
def test_the_id_of_the_request_is_that_of_the_servers_log(process: ClientProcess, server: RunningServer) -> None:
    seen = process.ask("headers", prompt="Hi")
    assert seen.value
    server.server.wait_for_log(seen.value)
