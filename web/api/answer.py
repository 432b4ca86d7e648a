"""The reply of one run: a stream of events, or one JSON object at its end."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Request, Response, current_app

from ...service import Chat, Reply, Run, RunEnd
from ...service.stored_runs.subscription import StoredSubscription
from ..encoders.sluice_sse import HEADERS, encode_events
from ..extension_state import ExtensionState
from ..hooks import OnEnd
from ..replies.run_guard import StreamResponse
from ..replies.socket_reader import Encoder
from ..replies.stream_body import StreamBody
from ..sockets.client_socket import Connection
from .json_response import make_uncached_response


def make_answer(
    state: ExtensionState,
    request: Request,
    chat: Chat,
    run: Run | StoredSubscription,
    client: Connection | None,
    encode: Encoder = encode_events,
) -> Response:
    """Return the reply to a chat. In block mode, wait for the end of the answer.

    Args:
        state: What is kept for the application.
        request: The request that is answered.
        chat: What was asked.
        run: What is read. It is closed with the reply, or if there is none.
        client: The client's connection, where the server passes it.
        encode: Makes the frames of a stream.

    Raises:
        ServiceError: The answer failed before a stream has begun; in block mode, at any time.
    """
    with state.hold(run, client) as held:
        if chat.mode == "block":
            with state.hold_thread():
                return _make_block_response(state.service.complete(run))
        state.wait_accepted(run)
        stream = StreamBody(run, chat.run_id, encode)
        response = StreamResponse(request, stream, HEADERS, end_run=held.close)
        held.take_over()
        return response


def in_app_context(on_end: OnEnd) -> Callable[[RunEnd], None]:
    """Return the application's function, called in a context of the current application."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def call(end: RunEnd) -> None:
        with app.app_context():
            on_end(end)

    return call


def _make_block_response(reply: Reply) -> Response:
    fields = {
        "success": True,
        "message": reply.message,
        "interaction_mode": "block",
        "finish_reason": reply.finish_reason,
        "usage": None if reply.usage is None else reply.usage.fields(),
    }
    if reply.reasoning:
        fields["reasoning"] = reply.reasoning
    return make_uncached_response(fields)
