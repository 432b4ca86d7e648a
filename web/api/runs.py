"""`/api/runs`: answers that outlive their connection, read from where a client was, stopped and forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Blueprint, Request, Response, abort
from flask import request as current_request

from ...service.errors import RunUnknown
from ...service.events.events import Event, Failed, Finished
from ...service.observability.logging import request_id
from ...service.runs.log import RunLog
from ...service.runs.stores.base import RunRecord, RunState
from ...service.stored_runs.registry import CursorAtEnd, RunStatus
from ...service.stored_runs.replica import end_number
from ...service.stored_runs.subscription import StoredSubscription
from ..encoders.error_fields import describe_error
from ..encoders.sluice_sse import HEADERS, encode_events
from ..extension_state import ExtensionState
from ..replies.run_guard import StreamResponse
from ..replies.socket_reader import Encoder
from ..replies.stream_body import StreamBody
from ..request_errors import InvalidRequest
from ..security.client_address import identify_client
from ..security.origin import refuse_foreign_origin
from ..security.run_owner import RunOwner
from ..security.sign_in import current_user_key
from ..sockets.client_socket import find_connection
from .json_response import make_uncached_response
from .request_body import decode_body, read_body

#: Names the run of a reply.
RUN_HEADER = "Sluice-Run"
_ID = re.compile(r"[0-9a-f]{38}")
# A decision names a call, whose id has at most 64 characters.
_MOST_DECISION_BYTES = 1000
# Numbers of events fit into a double, as JavaScript has them.
_CURSOR = re.compile(r"[0-9]{1,15}")


class Decision(msgspec.Struct, forbid_unknown_fields=True):
    """What a person says to a call of a tool that needs consent; `call` is the id in its frame."""

    call: str
    allow: bool


_decision_decoder = msgspec.json.Decoder(Decision)


def make_runs_blueprint(state: ExtensionState) -> Blueprint:
    """Make the routes. They are not found where answers end with their connection."""
    blueprint = Blueprint("runs", __name__)
    stored = state.service.stored

    def checked(run_id: str) -> str:
        if stored.is_off:
            abort(HTTPStatus.NOT_FOUND)
        if not _ID.fullmatch(run_id):
            raise RunUnknown
        state.service.start()
        return run_id

    @blueprint.get("/api/runs")
    def list_runs() -> Response:
        if stored.is_off:
            abort(HTTPStatus.NOT_FOUND)
        named = current_request.args.get("state")
        if named is not None and named not in [*RunState]:
            raise InvalidRequest(f"`state` should be {' or '.join(f'`{each}`' for each in RunState)}.", field="state")
        state.service.start()
        runs = stored.list_runs(RunOwner(current_request).digest, None if named is None else RunState(named))
        return make_uncached_response({"runs": [describe_record(run) for run in runs]})

    @blueprint.get("/api/runs/<run_id>")
    def show_run(run_id: str) -> Response:
        return make_uncached_response(_describe(stored.find(checked(run_id), RunOwner(current_request).digest)))

    @blueprint.get("/api/runs/<run_id>/events")
    def follow_run(run_id: str) -> Response:
        request: Request = current_request._get_current_object()  # type: ignore[attr-defined]
        checked(run_id)
        try:
            return follow(state, request, run_id, _read_cursor(request), lambda run: encode_with_gap(run.log))
        except CursorAtEnd:
            return Response(status=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})

    @blueprint.post("/api/runs/<run_id>/stop")
    def stop_run(run_id: str) -> Response:
        refuse_foreign_origin(current_request)
        record = stored.stop(checked(run_id), RunOwner(current_request).digest)
        status = HTTPStatus.ACCEPTED if record.state is RunState.RUNNING else HTTPStatus.OK
        return make_uncached_response(describe_record(record), status)

    @blueprint.post("/api/runs/<run_id>/consent")
    def decide_call(run_id: str) -> Response:
        refuse_foreign_origin(current_request)
        checked(run_id)
        settings = state.service.settings
        decision = decode_body(_decision_decoder, read_body(current_request, _MOST_DECISION_BYTES), settings)
        stored.decide(run_id, RunOwner(current_request).digest, decision.call, allow=decision.allow)
        return Response(status=HTTPStatus.NO_CONTENT)

    @blueprint.delete("/api/runs/<run_id>")
    def delete_run(run_id: str) -> Response:
        refuse_foreign_origin(current_request)
        stored.delete(checked(run_id), RunOwner(current_request).digest)
        return Response(status=HTTPStatus.NO_CONTENT)

    return blueprint


def follow(
    state: ExtensionState,
    request: Request,
    run_id: str,
    after: int,
    make_encoder: Callable[[StoredSubscription], Encoder],
) -> Response:
    """Return a stream of a run's events for its owner.

    Args:
        state: What is kept for the application.
        request: The request that is answered.
        run_id: The run.
        after: The number of the last event that the client has.
        make_encoder: Makes what encodes the stream.

    Raises:
        CursorAtEnd: The client has all of it.
        ServiceError: No slot or thread is free; or as `StoredRuns.subscribe`.
    """
    owner = RunOwner(request).digest
    state.require_thread()
    with ExitStack() as stack:
        slot = state.service.limiter.acquire(current_user_key() or identify_client(request, state.service.settings))
        stack.callback(slot.release)
        subscription = state.service.stored.subscribe(run_id, owner, after)
        stack.enter_context(state.hold(subscription, find_connection(request.environ)))
        body = StreamBody(subscription, request_id.get(), make_encoder(subscription))
        return StreamResponse(request, body, {**HEADERS, RUN_HEADER: run_id}, stack.pop_all().close)


def name_run(response: Response, request: Request, subscription: StoredSubscription) -> None:
    """Put a run's id and address into the headers of the reply that has begun it."""
    response.headers[RUN_HEADER] = subscription.run_id
    # Relative to the host alone, so that it holds behind a proxy that changes host and scheme.
    response.headers["Location"] = (
        f"{request.script_root}{request.path.rpartition('/api/')[0]}/api/runs/{subscription.run_id}"
    )
    response.autocorrect_location_header = False


def describe_record(record: RunRecord) -> dict[str, Any]:
    """Return the fields of a run, without its text."""
    fields: dict[str, Any] = {
        "id": record.run_id,
        "state": record.state.value,
        "last_event": end_number(record),
        "created": record.created,
        "expires": record.expires or None,
    }
    return {**fields, "reason": record.reason} if record.reason else fields


def _describe(status: RunStatus) -> dict[str, Any]:
    fields = describe_record(status.record)
    if isinstance(status.end, Finished):
        fields["finish_reason"] = status.end.reason
        fields["usage"] = None if status.end.usage is None else status.end.usage.fields()
    elif isinstance(status.end, Failed):
        described = describe_error(status.end.error, request_id.get())
        fields["error"] = {name: described[name] for name in ("error", "code", "retryable")}
    return fields


def _read_cursor(request: Request) -> int:
    """Return the number of the last event that a client has."""
    # EventSource sends the address it was given, with its first cursor, and the header with the latest.
    given = (("Last-Event-ID", request.headers.get("Last-Event-ID")), ("after", request.args.get("after")))
    cursors = [(named, text) for named, text in given if text is not None]
    for named, text in cursors:
        if not _CURSOR.fullmatch(text):
            raise InvalidRequest(f"`{named}` should be the id of an event, such as 17.", field=named)
    return int(cursors[0][1]) if cursors else 0


def encode_with_gap(log: RunLog) -> Encoder:
    """Return the encoder of a stored run's readers, which have the end with its gap (`RunLog.end_gap`)."""

    def encode(events: Sequence[Event], first_number: int, request_id: str) -> bytes:
        if not log.end_gap or not isinstance(events[-1], Failed):
            return encode_events(events, first_number, request_id)
        *before, end = events
        frames = encode_events(before, first_number, request_id) if before else b""
        return frames + encode_events([end], first_number + len(before) + log.end_gap, request_id)

    return encode
