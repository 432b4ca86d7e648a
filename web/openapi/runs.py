"""The routes of `runs.py` in the OpenAPI document, and what a chat has besides where its answer may go on."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from ...service.errors import (
    CallDecided,
    CallUnknown,
    InternalError,
    Interrupted,
    KeyReused,
    Overloaded,
    RunExpired,
    RunUnknown,
    ServiceError,
    Stopped,
    StoreAway,
    TooManyReaders,
    TooManyRuns,
)
from ...service.events.usage import Usage
from ..api.runs import Decision
from ..request_errors import CsrfRefused, Forbidden, RateLimited, SignInRequired, UserChanged
from .replies import REFUSALS, describe_errors, json_reply, reference, reply

State = Literal["running", "completed", "stopped", "failed", "interrupted"]

#: Errors that no request gets where answers end with their connection.
RUN_ERRORS: tuple[type[ServiceError], ...] = (
    RunUnknown,
    RunExpired,
    KeyReused,
    CallUnknown,
    CallDecided,
    TooManyReaders,
    TooManyRuns,
    Stopped,
    Interrupted,
    StoreAway,
)
#: Errors that the application's functions bring to all of its routes.
APPLICATION_ERRORS: tuple[type[ServiceError], ...] = (SignInRequired, Forbidden, UserChanged, RateLimited)
_FAILURES = (*APPLICATION_ERRORS, Overloaded, StoreAway, InternalError)
_HOST = "the Host header is malformed or missing"
_ID_PATTERN = "[0-9a-f]{38}"
_ID = {
    "name": "run_id",
    "in": "path",
    "required": True,
    "description": "The header `Sluice-Run` of the reply that has begun the answer.",
    "schema": {"type": "string", "pattern": f"^{_ID_PATTERN}$"},
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "With `on_disconnect: continue` or `background`: a further request with the same key and the same "
    "body joins the answer. Without them it is refused.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
_RUN_HEADER = {"description": "The id of the answer.", "schema": {"type": "string", "pattern": f"^{_ID_PATTERN}$"}}
_LOCATION = {
    "description": "Where the answer can be read.",
    "schema": {"type": "string", "pattern": f"^/(.*/)?api/runs/{_ID_PATTERN}$"},
}
_RESUMABLE = {
    "description": "`no` where the answer ends with its connection, though its client wanted another one: the store "
    "is full.",
    "required": False,
    "schema": {"type": "string", "const": "no"},
}
#: Makes a browser without a user the owner of its answers.
COOKIE_HEADER = {
    "description": "The cookie `sluice_reader`, for a browser that has none, where the application names no user: "
    "whose the answers are.",
    "required": False,
    "schema": {"type": "string", "pattern": "^sluice_reader=[0-9a-f]{32};"},
}


class RunFailure(msgspec.Struct):
    """Why an answer is not whole."""

    error: str
    code: str
    retryable: bool


class RunFields(msgspec.Struct):
    """One answer. Times are in seconds since 1970; `expires` is null while it runs.

    `finish_reason` and `usage`, or `error`, come where one answer is asked for that has ended.
    """

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
KINDS = (RunFields, RunList, BegunRun, Decision)


def add_stored_answers(chat: dict[str, Any]) -> None:
    """Add to the operation of a chat what it has where answers may go on without their client."""
    chat["parameters"] = [_KEY]
    replies: dict[str, Any] = chat["responses"]
    replies["200"]["headers"] |= {
        "Sluice-Run": {**_RUN_HEADER, "required": False},
        "Location": {**_LOCATION, "required": False},
        "Sluice-Resumable": _RESUMABLE,
        "Set-Cookie": COOKIE_HEADER,
    }
    accepted = json_reply("Where `background` is true: the answer was begun, and is read at `Location`.", BegunRun)
    accepted["headers"] |= {
        "Sluice-Run": {**_RUN_HEADER, "required": True},
        "Location": {**_LOCATION, "required": True},
        "Set-Cookie": COOKIE_HEADER,
    }
    chat["responses"] = {"200": replies.pop("200"), "202": accepted, **replies}


def describe_runs(stream: dict[str, Any]) -> dict[str, Any]:
    """Return the paths.

    Args:
        stream: The content `text/event-stream` of an answer.
    """
    found = json_reply("The answer.", RunFields)
    events = reply(
        "The events behind the cursor, as of `POST /api/chat`, up to the terminal one.", "text/event-stream", {}
    )
    # Tools that know streams hold each event against it; others take the reply for one text.
    schema = {"anyOf": [stream["schema"], {"type": "string"}]}
    events["content"]["text/event-stream"] = {**stream, "schema": schema}
    events["headers"] |= {"Sluice-Run": {**_RUN_HEADER, "required": True}}
    cursor = {"type": "string", "pattern": "^[0-9]{1,15}$"}
    cursors = [
        {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The last event that the client has; before `after`.",
            "schema": cursor,
        },
        {
            "name": "after",
            "in": "query",
            "description": "The last event that the client has; 0 or nothing for none.",
            "schema": cursor,
        },
    ]
    state = {
        "name": "state",
        "in": "query",
        "description": "Only the answers in this state.",
        "schema": {"type": "string", "enum": list(get_args(State))},
    }
    return {
        "/api/runs": {
            "get": _reading(
                "listRuns",
                "List the caller's answers that are kept",
                {"200": json_reply("They.", RunList)},
                [state],
                (),
                f"`state` is none of them, or {_HOST}",
            )
        },
        "/api/runs/{run_id}": {
            "get": _reading(
                "getRun", "Ask what is known of an answer", {"200": found}, [_ID], (RunUnknown, RunExpired)
            ),
            "delete": _changing(
                "deleteRun", "Stop an answer and forget it", {"204": _nothing("It is forgotten.")}, (RunUnknown,)
            ),
        },
        "/api/runs/{run_id}/events": {
            "get": _reading(
                "followRun",
                "Read an answer from where a client was",
                {"200": events, "204": _nothing("The client has all events, the terminal one as well.")},
                [_ID, *cursors],
                (RunUnknown, RunExpired, TooManyReaders),
                f"the cursor is not the id of an event, or {_HOST}",
            )
        },
        "/api/runs/{run_id}/stop": {
            "post": _changing(
                "stopRun",
                "Stop an answer",
                {"200": found, "202": json_reply("It is being stopped.", RunFields)},
                (RunUnknown, RunExpired),
            )
        },
        "/api/runs/{run_id}/consent": {"post": _consent()},
    }


def _consent() -> dict[str, Any]:
    refusals = {status: REFUSALS[status] for status in (403, 408, 413, 415, 421)} | {
        400: f"the body is not a decision, or {_HOST}"
    }
    failures = (CsrfRefused, RunUnknown, RunExpired, CallUnknown, CallDecided, *_FAILURES)
    taken = {"204": _nothing("The decision is taken: the call runs, or the model is told that it may not.")}
    errors = describe_errors(failures, refusals)
    errors["415"]["headers"]["Accept-Encoding"] = {
        "description": "Where the body was compressed.",
        "required": False,
        "schema": {"type": "string", "const": "identity"},
    }
    operation = _operation("decideCall", "Allow or refuse a call of a tool that needs consent", taken, [_ID], errors)
    body = {"required": True, "content": {"application/json": {"schema": reference(Decision)}}}
    return {**operation, "requestBody": body}


def _nothing(description: str) -> dict[str, Any]:
    """Describe a reply without a body."""
    headers = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    return {"description": description, "headers": headers, "content": {}}


def _reading(
    operation: str,
    summary: str,
    replies: dict[str, Any],
    parameters: list[dict[str, Any]],
    failures: tuple[type[ServiceError], ...],
    malformed: str = _HOST,
) -> dict[str, Any]:
    """Describe an operation that changes nothing."""
    refusals = {400: malformed, 421: REFUSALS[421]}
    return _operation(operation, summary, replies, parameters, describe_errors((*failures, *_FAILURES), refusals))


def _changing(
    operation: str, summary: str, replies: dict[str, Any], failures: tuple[type[ServiceError], ...]
) -> dict[str, Any]:
    """Describe an operation that no page of another site may use."""
    refusals = {400: _HOST, 403: REFUSALS[403], 421: REFUSALS[421]}
    errors = describe_errors((CsrfRefused, *failures, *_FAILURES), refusals)
    return _operation(operation, summary, replies, [_ID], errors)


def _operation(
    operation: str,
    summary: str,
    replies: dict[str, Any],
    parameters: list[dict[str, Any]],
    errors: dict[str, Any],
) -> dict[str, Any]:
    return {
        "operationId": operation,
        "tags": ["runs"],
        "summary": summary,
        "parameters": parameters,
        "responses": {**replies, **errors},
    }
