"""`POST /api/chat`: answers a chat request by a stream of events, or by one JSON object."""

from __future__ import annotations

from flask import Blueprint, Request, Response
from flask import request as current_request

from ...service.errors import ServiceError
from ...service.observability.logging import request_id
from ..extension_state import ExtensionState
from ..security.origin import refuse_foreign_origin
from ..security.sign_in import current_user_key
from .answer import find_client, make_answer, open_run, prepare_chat
from .doctor import QUERY, PacedStreams
from .request_body import read_chat_request
from .stored_answers import StoredAnswers


def make_chat_blueprint(state: ExtensionState, paced: PacedStreams) -> Blueprint:
    """Make the routes under `/api/chat`.

    Args:
        state: What is kept for the application.
        paced: Answers requests with the query `doctor`, by streams that ask no model.
    """
    blueprint = Blueprint("chat", __name__)
    answers = StoredAnswers(state)

    # No automatic OPTIONS: every method but POST is answered 405.
    @blueprint.post("/api/chat", provide_automatic_options=False)
    def create_chat() -> Response:
        service = state.service
        # Each use of Flask's own `request` looks the object up, by four calls.
        request: Request = current_request._get_current_object()  # type: ignore[attr-defined]
        try:
            refuse_foreign_origin(request)
            if request.query_string == QUERY:
                return paced.answer()
            asked = read_chat_request(request, service.settings, run_id=request_id.get(), user=current_user_key())
            client = find_client(request)
            state.require_thread(holds=asked.chat.mode == "block")
            chat = prepare_chat(state, asked.chat)
            if asked.continues:
                return answers.answer(request, asked, chat, client)
            run = open_run(state, request, chat)
        except ServiceError as error:
            service.metrics.refused(error.code)
            raise
        return make_answer(state, request, chat, run, client)

    return blueprint
