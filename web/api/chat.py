"""The chat API: a request in; a stream of events, or one JSON, out."""

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
from ..extension import Sluice
from ..replies.stream_body import StreamBody
from ..security.client_address import identify_client
from ..security.origin import refuse_foreign_origin
from ..sockets.client_socket import find_client_socket, has_disconnected, limit_writes
from .json_response import make_json_response
from .request_body import read_chat_request

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class _OpenStream(NamedTuple):
    """What the view has made, for those behind it."""

    body: StreamBody
    #: Ends the run, whatever became of the response. Calling it twice is harmless.
    end: Callable[[], None]


class _StreamResponse(Response):
    """The response around a stream."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Hand head and body to the server; close it if the server refuses the head, such as a hook's odd header."""
        try:
            return super().__call__(environ, start_response)
        except BaseException:
            self.close()
            raise


def make_chat_blueprint(sluice: Sluice) -> Blueprint:
    """Make the routes under `/api/chat`."""
    blueprint = Blueprint("chat", __name__)

    # No automatic OPTIONS: whatever is not a POST is answered 405 and never comes near a model.
    @blueprint.post("/api/chat", provide_automatic_options=False)
    def chat() -> Response:
        service = sluice.service
        try:
            refuse_foreign_origin(request)
            chat_request = read_chat_request(request, service.settings)
            client = find_client_socket(request.environ)
            if client is not None and has_disconnected(client):
                # It may have waited for a thread. Nobody would read the answer, but somebody would pay for it.
                return Response(status=499)
            if not sluice.has_spare_thread():
                raise Overloaded(NO_THREADS)
            labels = RunLabels(request_id.get(), chat_request.source, chat_request.mode, chat_request.model)
            run = service.open(chat_request.messages, labels, identify_client(request, service.settings))
        except ServiceError as error:
            service.metrics.refused(error.code)
            raise
        unwatch: Callable[[], None] | None = None

        def end() -> None:
            with closing(run):
                if unwatch is not None:
                    unwatch()

        streams = False
        try:
            if client is not None:
                limit_writes(client, service.settings.limits.write_timeout)
                unwatch = sluice.disconnects.watch(client, run.disconnect)
            if chat_request.mode == "block":
                return _block_response(service.complete(run))
            # A model that refuses does so by then; later the first heartbeat is due.
            limits = service.settings.limits
            run.wait_accepted(min(limits.connect_timeout, limits.heartbeat_interval))
            stream = StreamBody(run, labels.request_id)
            # Passed through as it is, so that the server may recognise it (`StreamBody.use`).
            response = _StreamResponse(stream, headers=HEADERS, direct_passthrough=True)
            g.sluice_streamed = _OpenStream(stream, end)
            streams = True
            return response
        finally:
            if not streams:
                end()

    # The application's and not the blueprint's, and registered before any of the host's: so it is called after them.
    @blueprint.after_app_request
    def end_with_what_is_sent(sent: Response) -> Response:
        streamed: _OpenStream | None = g.get("sluice_streamed")
        if streamed is None:
            return sent
        # Not in the iteration's own end: it is never started if the client has gone before the first write.
        sent.call_on_close(streamed.end)
        if sent.response is streamed.body and sent.direct_passthrough:
            # The server closes what is passed through, and not the response around it.
            streamed.body.on_close(sent.close)
            return sent
        # A hook has put another response, or another body, in its place. That may be made of the stream, frame by
        # frame; what is whole already is not.
        sent.direct_passthrough = False
        if sent.is_sequence:
            streamed.end()
        return sent

    @blueprint.teardown_request
    def end_what_was_lost(error: BaseException | None) -> None:
        # A hook behind the view has failed: another response is sent, and no server will close this one's stream.
        streamed: _OpenStream | None = g.pop("sluice_streamed", None)
        if error is not None and streamed is not None:
            streamed.end()

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
