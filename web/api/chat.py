"""`POST /api/chat`: answers a chat request by a stream of events, or by one JSON object."""

from __future__ import annotations

from flask import Blueprint, Flask, Request, Response, current_app
from flask import request as current_request

from ...service import Chat, Reply, RunEnd
from ...service.errors import ServiceError
from ...service.observability.logging import request_id
from ..encoders.sluice_sse import HEADERS
from ..extension_state import ExtensionState
from ..hooks import OnEnd, Prepare
from ..replies.run_guard import StreamResponse
from ..replies.stream_body import StreamBody
from ..security.client_address import identify_client
from ..security.origin import refuse_foreign_origin
from ..security.sign_in import current_user_key
from ..sockets.client_socket import find_connection, has_disconnected
from .doctor import QUERY, PacedStreams
from .json_response import make_uncached_response
from .request_body import read_chat_request


def make_chat_blueprint(state: ExtensionState, paced: PacedStreams) -> Blueprint:
    """Make the routes under `/api/chat`.

    Args:
        state: What is kept for the application.
        paced: Answers requests with the query `doctor`, by streams that ask no model.
    """
    blueprint = Blueprint("chat", __name__)

    # No automatic OPTIONS: every method but POST is answered 405.
    @blueprint.post("/api/chat", provide_automatic_options=False)
    def create_chat() -> Response:
        service, hooks = state.service, state.hooks
        # Each use of Flask's own `request` looks the object up, by four calls.
        request: Request = current_request._get_current_object()  # type: ignore[attr-defined]
        try:
            refuse_foreign_origin(request)
            if request.query_string == QUERY:
                return paced.answer()
            chat = read_chat_request(request, service.settings, run_id=request_id.get(), user=current_user_key())
            client = find_connection(request.environ)
            if client is not None and has_disconnected(client):
                # It disconnected while the request waited for a thread: an answer would only cost money.
                return Response(status=499)
            state.require_thread(holds=chat.mode == "block")
            chat = _prepare(chat, hooks.prepare)
            run = service.open(
                chat,
                chat.user or identify_client(request, service.settings),
                before_model=hooks.before_model,
                on_end=None if hooks.on_end is None else _in_app_context(hooks.on_end),
            )
        except ServiceError as error:
            service.metrics.refused(error.code)
            raise
        with state.hold(run, client) as held:
            if chat.mode == "block":
                with state.hold_thread():
                    return _block_response(service.complete(run))
            state.wait_accepted(run)
            stream = StreamBody(run, chat.run_id)
            response = StreamResponse(request, stream, HEADERS, end_run=held.close)
            held.take_over()
            return response

    return blueprint


def _prepare(chat: Chat, prepare: Prepare | None) -> Chat:
    """Let the application complete the chat."""
    if prepare is None:
        return chat
    prepared = prepare(chat)
    if not isinstance(prepared, Chat):
        raise TypeError(f"prepare returned {type(prepared).__name__}; it should return a Chat: chat.replace(...)")
    return prepared


def _in_app_context(on_end: OnEnd) -> OnEnd:
    """Return the function, called in a context of the current application."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def call(end: RunEnd) -> None:
        with app.app_context():
            on_end(end)

    return call


def _block_response(reply: Reply) -> Response:
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
