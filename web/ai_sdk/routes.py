"""`/api/ai-sdk`: what `useChat` of the AI SDK asks for, with its default settings (docs/reference/wire.md)."""

from __future__ import annotations

import hashlib
from http import HTTPStatus

from flask import Blueprint, Request, Response
from flask import request as current_request

from ...service import Run
from ...service.errors import RunExpired, RunUnknown, ServiceError
from ...service.observability.logging import request_id
from ...service.runs.stores.base import RunState
from ...service.stored_runs.registry import CursorAtEnd
from ...service.stored_runs.subscription import StoredSubscription
from ..api.answer import find_client, make_answer, open_run, prepare_chat
from ..api.request_body import check_chat, read_body
from ..api.runs import follow
from ..api.stored_answers import StoredAnswers
from ..encoders.ai_sdk_ui import PROTOCOL_HEADER, UIMessageEncoder
from ..extension_state import ExtensionState
from ..request_errors import InvalidRequest
from ..security.origin import refuse_foreign_origin
from ..security.run_owner import RunOwner
from ..security.sign_in import current_user_key
from .chat_body import in_terms_of_messages, read_ui_chat


def make_ai_sdk_blueprint(state: ExtensionState) -> Blueprint:
    """Make the routes below `/api/ai-sdk`."""
    blueprint = Blueprint("ai_sdk", __name__)
    settings = state.service.settings
    stored = state.service.stored
    answers = StoredAnswers(state)

    @blueprint.post("/api/ai-sdk", provide_automatic_options=False)
    def create_message() -> Response:
        request: Request = current_request._get_current_object()  # type: ignore[attr-defined]
        try:
            refuse_foreign_origin(request)
            raw = read_body(request, settings.max_chat_body_bytes)
            chat_id, body = read_ui_chat(raw, settings)
            try:
                asked = check_chat(request, body, raw, settings, run_id=request_id.get(), user=current_user_key())
            except InvalidRequest as error:
                raise in_terms_of_messages(error, body) from None
            client = find_client(request)
            state.require_thread()
            chat = prepare_chat(state, asked.chat.replace(source="ai-sdk"))
            if asked.continues:
                # The chat's latest answer has its key, so that a client which knows no more than the chat finds it.
                asked = asked.with_key(_key_of(chat_id))
                response = answers.answer(
                    request, asked, chat, client, make_encoder=_make_encoder, replaces=True, shows_consent=False
                )
            else:
                run = open_run(state, request, chat)
                response = make_answer(state, request, chat, run, client, _make_encoder(run))
        except ServiceError as error:
            state.service.metrics.refused(error.code)
            raise
        response.headers.set(*PROTOCOL_HEADER)
        return response

    @blueprint.get("/api/ai-sdk/<path:chat_id>/stream")
    def resume_message(chat_id: str) -> Response:
        request: Request = current_request._get_current_object()  # type: ignore[attr-defined]
        run_id = _find_running(request, chat_id)
        if run_id is None:
            return _nothing()
        try:
            response = follow(state, request, run_id, 0, _make_encoder)
        except (CursorAtEnd, RunExpired, RunUnknown):
            return _nothing()
        response.headers.set(*PROTOCOL_HEADER)
        return response

    @blueprint.post("/api/ai-sdk/<path:chat_id>/stop")
    def stop_message(chat_id: str) -> Response:
        refuse_foreign_origin(current_request)
        run_id = _find_running(current_request, chat_id)
        if run_id is not None:
            stored.stop(run_id, RunOwner(current_request).digest)
        return _nothing()

    def _find_running(request: Request, chat_id: str) -> str | None:
        """Return the run that answers a chat now; None where there is none."""
        if stored.is_off:
            return None
        state.service.start()
        owner = RunOwner(request).digest
        run_id = stored.find_key(owner, _key_of(chat_id))
        if run_id is None:
            return None
        try:
            is_running = stored.find(run_id, owner).record.state is RunState.RUNNING
        except (RunExpired, RunUnknown):
            return None
        return run_id if is_running else None

    return blueprint


def _key_of(chat_id: str) -> str:
    """Return the key of a chat's runs, which no `Idempotency-Key` of a client can be: it has a space."""
    return f"ai-sdk {hashlib.sha256(chat_id.encode(errors='replace')).hexdigest()}"


def _make_encoder(run: StoredSubscription | Run) -> UIMessageEncoder:
    return UIMessageEncoder(run.run_id if isinstance(run, StoredSubscription) else run.chat.run_id)


def _nothing() -> Response:
    return Response(status=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})
