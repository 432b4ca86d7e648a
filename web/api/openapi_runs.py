"""The routes of `runs.py` in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from ...service.errors import (
    InternalError,
    Overloaded,
    RunExpired,
    RunUnknown,
    ServiceError,
    StoreAway,
    TooManyReaders,
)
from ...service.events.usage import Usage
from ..request_errors import Forbidden, SignInRequired, UserChanged
from .openapi_replies import REFUSALS, describe_errors, json_reply, reply

State = Literal["running", "completed", "stopped", "failed", "interrupted"]

#: Errors that no request for a new answer gets.
RUN_ERRORS = (RunUnknown, RunExpired, TooManyReaders)
_FAILURES = (SignInRequired, Forbidden, UserChanged, Overloaded, StoreAway, InternalError)
_REFUSALS = {400: "a parameter or the Host header is malformed", 403: REFUSALS[403], 421: REFUSALS[421]}
_ID = {
    "name": "run_id",
    "in": "path",
    "required": True,
    "description": "The header `Sluice-Run` of the reply that has begun the answer.",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{38}$"},
}


class RunFailure(msgspec.Struct):
    """Why an answer is not whole."""

    error: str
    code: str
    retryable: bool


class RunFields(msgspec.Struct):
    """One answer. Times are in seconds since 1970; `expires` is null while it runs."""

    id: str
    state: State
    last_event: int
    created: float
    expires: float | None
    reason: str | msgspec.UnsetType = msgspec.UNSET
    finish_reason: str | msgspec.UnsetType = msgspec.UNSET
    usage: Usage | msgspec.UnsetType | None = msgspec.UNSET
    error: RunFailure | msgspec.UnsetType = msgspec.UNSET


class RunList(msgspec.Struct):
    """The caller's own answers, the newest first."""

    runs: list[RunFields]


class BegunRun(msgspec.Struct):
    """An answer that was begun in the background."""

    id: str
    state: Literal["running"]


#: The types of this file that the document needs.
KINDS = (RunFields, RunList, BegunRun)


def describe_runs() -> dict[str, Any]:
    """Return the paths."""
    found = json_reply("The answer.", RunFields)
    events = reply(
        "The events behind the cursor, as of `POST /api/chat`, up to the terminal one.",
        "text/event-stream",
        {"type": "string"},
    )
    nothing = {"description": "The cursor is the terminal event.", "headers": found["headers"], "content": {}}
    forgotten = {"description": "It is stopped and forgotten.", "headers": found["headers"], "content": {}}
    state = {"name": "state", "in": "query", "schema": {"type": "string", "enum": list(get_args(State))}}
    after = {"type": "string", "pattern": "^[0-9]{1,15}$"}
    cursor = [
        {"name": "Last-Event-ID", "in": "header", "description": "Before `after`.", "schema": after},
        {"name": "after", "in": "query", "description": "The last event that the client has.", "schema": after},
    ]
    stopping = json_reply("It is being stopped.", RunFields)
    return {
        "/api/runs": {
            "get": _operation("listRuns", "The caller's answers", {"200": json_reply("They.", RunList)}, [state], ())
        },
        "/api/runs/{run_id}": {
            "get": _operation("getRun", "What is known of an answer", {"200": found}, [_ID]),
            "delete": _operation("deleteRun", "Stop an answer and forget it", {"204": forgotten}, [_ID]),
        },
        "/api/runs/{run_id}/events": {
            "get": _operation(
                "followRun",
                "Read an answer from where a client was",
                {"200": events, "204": nothing},
                [_ID, *cursor],
                RUN_ERRORS,
            )
        },
        "/api/runs/{run_id}/stop": {
            "post": _operation("stopRun", "Stop an answer", {"200": found, "202": stopping}, [_ID])
        },
    }


def _operation(
    operation: str,
    summary: str,
    replies: dict[str, Any],
    parameters: list[dict[str, Any]],
    failures: tuple[type[ServiceError], ...] = (RunUnknown, RunExpired),
) -> dict[str, Any]:
    return {
        "operationId": operation,
        "tags": ["runs"],
        "summary": summary,
        "parameters": parameters,
        "responses": {**replies, **describe_errors((*failures, *_FAILURES), _REFUSALS)},
    }
