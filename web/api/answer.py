"""The reply of one run: a stream of events, or one JSON object at its end."""

from __future__ import annotations

import json
from collections.abc import Callable

from flask import Flask, Request, Response, abort, current_app

from ...service import Chat, Reply, Run, RunEnd
from ...service.runs.subscription import Subscription
from ...service.stored_runs.subscription import StoredSubscription
from ..encoders.sluice_sse import HEADERS, describe_tool_use, encode_events
from ..extension_state import ExtensionState
from ..hooks import OnEnd
from ..replies.run_guard import StreamResponse
from ..replies.socket_reader import Encoder
from ..replies.stream_body import StreamBody
from ..security.client_address import identify_client
from ..sockets.client_socket import Connection, find_connection, has_disconnected
from .json_response import make_uncached_response


def make_answer(
    state: ExtensionState,
    request: Request,
    chat: Chat,
    run: Run | StoredSubscription,
    client: Connection | None,
    encode: Encoder = encode_events,
    make_whole: Callable[[Subscription], Response] | None = None,
) -> Response:
    """Return the reply to a chat. In block mode, wait for the end of the answer.

    Args:
        state: What is kept for the application.
        request: The request that is answered.
        chat: What was asked.
        run: What is read. It is closed with the reply, or if there is none.
        client: The client's connection, where the server passes it.
        encode: Makes the frames of a stream.
        make_whole: Reads an answer to its end, and makes the reply of block mode. Default: that of `/api/chat`.

    Raises:
        ServiceError: The answer failed before a stream has begun; in block mode, at any time.
    """
    with state.hold(run, client) as held:
        if chat.mode == "block":
            with state.hold_thread():
                if make_whole is not None:
                    return make_whole(run)
                return _make_block_response(state.service.complete(run))
        state.wait_accepted(run)
        stream = StreamBody(run, chat.run_id, encode)
        response = StreamResponse(request, stream, HEADERS, end_run=held.close)
        held.take_over()
        return response


def find_client(request: Request) -> Connection | None:
    """Return the connection of a request's client, where the server passes it.

    Raises:
        HTTPException: 499, for the log alone: it disconnected while the request waited for a thread, and an answer
            would only cost money.
    """
    client = find_connection(request.environ)
    if client is not None and has_disconnected(client):
        abort(Response(status=499))
    return client


def prepare_chat(state: ExtensionState, chat: Chat) -> Chat:
    """Let the application complete a chat."""
    prepare = state.hooks.prepare
    if prepare is None:
        return chat
    prepared = prepare(chat)
    if not isinstance(prepared, Chat):
        raise TypeError(f"prepare returned {type(prepared).__name__}; it should return a Chat: chat.replace(...)")
    return prepared.keep_encoding(chat)


def open_run(state: ExtensionState, request: Request, chat: Chat) -> Run:
    """Start the answer to a chat, which ends with its connection.

    Raises:
        ServiceError: As `ChatService.open`.
    """
    hooks = state.hooks
    return state.service.open(
        chat,
        chat.user or identify_client(request, state.service.settings),
        before_model=hooks.before_model,
        tools=hooks.tools,
        on_end=None if hooks.on_end is None else in_app_context(hooks.on_end),
    )


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
    if reply.tool_calls:
        fields["tool_calls"] = [describe_tool_use(use) for use in reply.tool_calls]
    if reply.custom_events:
        fields["custom_events"] = [{"name": each.name, "data": json.loads(each.data)} for each in reply.custom_events]
    return make_uncached_response(fields)
