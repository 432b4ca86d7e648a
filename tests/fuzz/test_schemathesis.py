"""Schemathesis against the server's own OpenAPI document: what it describes, and what it does not, over real sockets.

The demo model answers, as fast as it can; so every valid request has a real answer.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
import schemathesis
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from sluice.service import Settings
from sluice.web.openapi.document import make_openapi_document
from tests.fuzz.effort import LONG, tried
from tools.common.gunicorn_server import GunicornServer

pytestmark = pytest.mark.timeout(1800 if LONG else 60)

# One after the other the examples take no place from each other, and the demo model has no faults: no 5xx is right.
CHECKS = [
    schemathesis.checks.not_a_server_error,
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
# Fast, and with limits so low that requests at and above them are small.
LOW_LIMITS = {
    "SLUICE_DEMO_TOKENS_PER_SECOND": "1e6",
    "SLUICE_MAX_MESSAGE_CHARS": "100",
    "SLUICE_MAX_HISTORY": "4",
    # The examples leave many answers at once.
    "SLUICE_RUN_MAX_UNATTENDED": "10000",
}

# Made here for the names of the tests; `test_openapi.py` holds what is served against it.
schema = schemathesis.openapi.from_dict(make_openapi_document(Settings.load(LOW_LIMITS)))
# It knows 400, 415 and others as refusals, and not 413; a malformed id is that of no answer.
schema.config.checks.negative_data_rejection.expected_statuses = ["400", "404", "413", "415"]
# Further to its own: two examples may have one key.
schema.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "404", "422"]


@pytest.fixture(scope="module")
def server() -> Iterator[GunicornServer]:
    with GunicornServer(LOW_LIMITS) as running:
        yield running


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@schema.parametrize()
@tried(50, long=1000)
def test_the_server_does_what_its_document_says(
    case: schemathesis.Case, server: GunicornServer, session: requests.Session
) -> None:
    if case.path == "/api/chat":
        _give_the_key_its_field(case)
    elif case.path == "/api/ai-sdk" and is_positive(case):
        # No schema can say that the last message is the user's, and that its texts are not blank together.
        case.body["messages"] = [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}]
        if case.body.get("on_disconnect") == "continue":
            case.body["id"] = "chat"
    elif "run_id" in case.path_parameters and is_positive(case):
        case.path_parameters["run_id"] = begin_run(server, session)
    case.call_and_validate(base_url=server.url, session=session, checks=CHECKS, timeout=10)


def is_positive(case: schemathesis.Case) -> bool:
    """Return whether an example is as the document describes it."""
    return case.meta is None or case.meta.generation.mode.is_positive


def begin_run(server: GunicornServer, session: requests.Session) -> str:
    """Begin an answer as the browser of the session, and return its id."""
    begun = session.post(f"{server.url}/api/chat", json={"message": "Hi", "background": True}, timeout=10)
    assert begun.status_code == 202, begun.text
    return begun.headers["Sluice-Run"]


def _give_the_key_its_field(case: schemathesis.Case) -> None:
    """Let an answer go on that has a key: OpenAPI cannot describe that a header needs a field of the body."""
    if is_positive(case) and "Idempotency-Key" in (case.headers or {}) and not case.body.get("background"):
        case.body["on_disconnect"] = "continue"
