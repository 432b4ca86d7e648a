"""Answers that go on without their client: begun, or joined by the client's key."""

from __future__ import annotations

import logging
from http import HTTPStatus

from flask import Request, Response

from ...service import Chat
from ...service.errors import StoreAway
from ...service.runs.stores.base import StoreFull
from ..encoders.sluice_sse import encode_events
from ..extension_state import ExtensionState
from ..security.client_address import identify_client
from ..security.run_owner import RunOwner
from ..sockets.client_socket import Connection
from .answer import in_app_context, make_answer
from .json_response import make_uncached_response
from .request_body import ChatRequest
from .runs import make_encoder, name_run

logger = logging.getLogger("sluice.web")

#: `no` where an answer ends with its connection, though its client wanted another one.
RESUMABLE_HEADER = "Sluice-Resumable"


class StoredAnswers:
    """Replies to requests with `on_disconnect: continue` or `background`. On handlers' threads."""

    def __init__(self, state: ExtensionState) -> None:
        """Take what is kept for the application."""
        self._state = state

    def answer(self, request: Request, asked: ChatRequest, chat: Chat, client: Connection | None) -> Response:
        """Begin or join an answer, and return its reply: a stream, one JSON object, or 202 for one to be read later.

        Args:
            request: The request.
            asked: What was asked.
            chat: The chat, which the application may have completed.
            client: The client's connection, where the server passes it.

        Raises:
            ServiceError: As `ChatService.open_stored` and `make_answer`.
        """
        service, hooks = self._state.service, self._state.hooks
        owner = RunOwner(request)
        identity = chat.user or identify_client(request, service.settings)
        on_end = None if hooks.on_end is None else in_app_context(hooks.on_end)
        try:
            subscription = service.open_stored(
                chat,
                owner.digest,
                identity,
                key=asked.key,
                body_digest=asked.digest,
                attended=not asked.is_background,
                before_model=hooks.before_model,
                on_end=on_end,
            )
        except StoreFull as error:
            logger.warning("%s: this answer ends with its connection", error)
            service.metrics.stored.kept_attached("full")
            if asked.is_background:
                raise StoreAway(str(error)) from error
            run = service.open(chat, identity, before_model=hooks.before_model, on_end=on_end)
            response = make_answer(self._state, request, chat, run, client)
            response.headers[RESUMABLE_HEADER] = "no"
            return response
        if asked.is_background:
            subscription.close()
            response = make_uncached_response({"id": subscription.run_id, "state": "running"}, HTTPStatus.ACCEPTED)
        else:
            # A call less for each token: a run of this process has no gap.
            encoder = encode_events if subscription.is_first else make_encoder(subscription.log)
            response = make_answer(self._state, request, chat, subscription, client, encoder)
        name_run(response, request, subscription)
        owner.mark(response)
        return response
