"""`POST /api/chat`: answers a chat request by a stream of events, or by one JSON object."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from flask import Blueprint, Response, g, request

from ...service import Reply, RunLabels
from ...service.errors import Overloaded, ServiceError
from ...service.observability.logging import request_id
from ...service.observability.resources import NO_THREADS
from ..encoders.sluice_sse import HEADERS
from ..extension_state import ExtensionState
from ..replies.stream_body import StreamBody
from ..security.client_address import identify_client
from ..security.origin import refuse_foreign_origin
from ..sockets.client_socket import find_client_socket, has_disconnected, limit_writes
from .json_response import make_json_response
from .request_body import read_chat_request

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class _OpenStream(NamedTuple):
    """The stream that the view has made, for the functions that Flask calls after it."""

    body: StreamBody
    #: Ends the run, whatever has become of the response. Calling it twice is harmless.
    end_run: Callable[[], None]


class _StreamResponse(Response):
    """The response of a stream."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass head and body to the server; close the body if the server refuses the head."""
        try:
            return super().__call__(environ, start_response)
        except BaseException:
            self.close()
            raise


def make_chat_blueprint(sluice: ExtensionState) -> Blueprint:
    """Make the routes under `/api/chat`."""
    blueprint = Blueprint("chat", __name__)

    # No automatic OPTIONS: every method but POST is answered 405.
    @blueprint.post("/api/chat", provide_automatic_options=False)
    def chat() -> Response:
        service = sluice.service
        try:
            refuse_foreign_origin(request)
            chat_request = read_chat_request(request, service.settings)
            client = find_client_socket(request.environ)
            if client is not None and has_disconnected(client):
                # It disconnected while the request waited for a thread: an answer would only cost money.
                return Response(status=499)
            if not sluice.has_spare_thread():
                raise Overloaded(NO_THREADS)
            labels = RunLabels(request_id.get(), chat_request.source, chat_request.mode)
            client_id = identify_client(request, service.settings)
            run = service.open(chat_request.messages, chat_request.model, labels, client_id)
        except ServiceError as error:
            service.metrics.refused(error.code)
            raise
        unwatch: Callable[[], None] | None = None

        def end_run() -> None:
            with closing(run):
                if unwatch is not None:
                    unwatch()

        is_streaming = False
        try:
            if client is not None:
                limit_writes(client, service.settings.limits.write_timeout)
                unwatch = sluice.disconnects.watch(client, run.disconnect)
            if chat_request.mode == "block":
                return _block_response(service.complete(run))
            # Until then a refusal of the provider can still be an HTTP status. Later the first heartbeat is due.
            limits = service.settings.limits
            run.wait_accepted(min(limits.connect_timeout, limits.heartbeat_interval))
            stream = StreamBody(run, labels.request_id)
            # Passed through unwrapped, so that the server can recognise it (`StreamBody.use`).
            response = _StreamResponse(stream, headers=HEADERS, direct_passthrough=True)
            g.sluice_streamed = _OpenStream(stream, end_run)
            is_streaming = True
            return response
        finally:
            if not is_streaming:
                end_run()

    # For the whole application, and registered before the host's own functions: Flask calls it after them.
    @blueprint.after_app_request
    def end_run_with_response(sent: Response) -> Response:
        stream: _OpenStream | None = g.get("sluice_streamed")
        if stream is None:
            return sent
        # Not at the end of the iteration: it never starts if the client disconnects before the first write.
        sent.call_on_close(stream.end_run)
        if sent.response is stream.body and sent.direct_passthrough:
            # The server closes the body that is passed through, and not its response.
            stream.body.on_close(sent.close)
            return sent
        # A hook has replaced the response or its body. The new body may be made of the stream, frame by frame, unless
        # it is a sequence.
        sent.direct_passthrough = False
        if sent.is_sequence:
            stream.end_run()
        return sent

    @blueprint.teardown_request
    def end_run_without_response(error: BaseException | None) -> None:
        # A function after the view has failed. Another response is sent, and the server closes no stream.
        stream: _OpenStream | None = g.pop("sluice_streamed", None)
        if error is not None and stream is not None:
            stream.end_run()

    return blueprint


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
    response = make_json_response(fields)
    response.headers["Cache-Control"] = "no-store"
    return response
