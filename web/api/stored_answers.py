"""Answers that go on without their client: begun, or joined by the client's key."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from flask import Request, Response

from ...service import Chat, Run
from ...service.errors import StoreAway
from ...service.runs.stores.base import StoreFull
from ...service.stored_runs.subscription import StoredSubscription
from ..encoders.sluice_sse import encode_events
from ..extension_state import ExtensionState
from ..replies.socket_reader import Encoder
from ..security.client_address import identify_client
from ..security.run_owner import RunOwner
from ..sockets.client_socket import Connection
from .answer import in_app_context, make_answer
from .json_response import make_uncached_response
from .request_body import ChatRequest
from .runs import encode_with_gap, name_run

logger = logging.getLogger("sluice.web")

#: `no` where an answer ends with its connection, though its client wanted another one.
RESUMABLE_HEADER = "Sluice-Resumable"


def choose_encoder(run: StoredSubscription | Run) -> Encoder:
    """Return the encoder of frames as of `/api/chat`."""
    # A call less for each token: a run of this process has no gap.
    is_own = not isinstance(run, StoredSubscription) or run.is_first
    return encode_events if is_own else encode_with_gap(run.log)


class StoredAnswers:
    """Replies to requests with `on_disconnect: continue` or `background`. On handlers' threads."""

    def __init__(self, state: ExtensionState) -> None:
        """Take what is kept for the application."""
        self._state = state

    def answer(
        self,
        request: Request,
        asked: ChatRequest,
        chat: Chat,
        client: Connection | None,
        *,
        make_encoder: Callable[[StoredSubscription | Run], Encoder] = choose_encoder,
        replaces: bool = False,
        shows_consent: bool = True,
    ) -> Response:
        """Begin or join an answer, and return its reply: a stream, one JSON object, or 202 for one to be read later.

        Args:
            request: The request.
            asked: What was asked.
            chat: The chat, which the application may have completed.
            client: The client's connection, where the server passes it.
            make_encoder: Makes what encodes the stream of a run.
            replaces: As `ChatService.open_stored`.
            shows_consent: Whether the frames tell that a call waits for a person.

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
                replaces=replaces,
                before_model=hooks.before_model,
                tools=hooks.tools,
                # A client in block mode sees the call when all is over.
                can_ask=shows_consent and (asked.is_background or chat.mode == "stream"),
                on_end=on_end,
            )
        except StoreFull as error:
            logger.warning("%s: this answer ends with its connection", error)
            service.metrics.stored.kept_attached("full")
            if asked.is_background:
                raise StoreAway(str(error)) from error
            run = service.open(chat, identity, before_model=hooks.before_model, tools=hooks.tools, on_end=on_end)
            response = make_answer(self._state, request, chat, run, client, make_encoder(run))
            response.headers[RESUMABLE_HEADER] = "no"
            return response
        if asked.is_background:
            subscription.close()
            response = make_uncached_response({"id": subscription.run_id, "state": "running"}, HTTPStatus.ACCEPTED)
        else:
            response = make_answer(self._state, request, chat, subscription, client, make_encoder(subscription))
        name_run(response, request, subscription)
        owner.mark(response)
        return response
