"""`/api/conversations`: the copies of a user's conversations that the application keeps, for the user's next device.

The page writes and reads the documents. The application keeps them as they are.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Blueprint, Response, abort, request

from ..extension_state import ExtensionState
from ..hooks import ConversationStore
from ..request_errors import InvalidRequest
from ..security.origin import refuse_foreign_origin
from ..security.sign_in import current_user_key
from .json_response import make_uncached_response
from .request_body import read_body

# The page makes them: conversation/identifier.js.
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


class SavedConversation(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a PUT.

    Args:
        version: The version on which the conversation is based; None if there should be none.
        conversation: The document.
    """

    version: str | None
    conversation: dict[str, Any]


_decoder = msgspec.json.Decoder(SavedConversation)


def make_conversations_blueprint(state: ExtensionState) -> Blueprint:
    """Make the routes. They are not found where the application keeps no conversations."""
    blueprint = Blueprint("conversations", __name__)

    def store() -> ConversationStore:
        found = state.hooks.conversations
        # Without a user, all visitors would share one list.
        return found if found is not None and current_user_key() else abort(HTTPStatus.NOT_FOUND)

    @blueprint.get("/api/conversations")
    def list_conversations() -> Response:
        listed = [{"id": id_, "version": version} for id_, version in store().list_conversations(current_user_key())]
        return make_uncached_response({"conversations": listed})

    @blueprint.get("/api/conversations/<conversation_id>")
    def load_conversation(conversation_id: str) -> Response:
        found = store().load_conversation(current_user_key(), _checked(conversation_id))
        if found is None:
            abort(HTTPStatus.NOT_FOUND)
        conversation, version = found
        return make_uncached_response({"conversation": conversation, "version": version})

    @blueprint.put("/api/conversations/<conversation_id>")
    def save_conversation(conversation_id: str) -> Response:
        refuse_foreign_origin(request)
        keep = store()
        raw = read_body(request, state.service.settings.limits.max_body_bytes)
        try:
            body = _decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise InvalidRequest(
                "The body should be a JSON object with `version`, a string or null, and `conversation`, an object."
            ) from None
        if body.conversation.get("id") != _checked(conversation_id):
            raise InvalidRequest("`conversation.id` should be that of the address.", field="conversation.id")
        saved = keep.save_conversation(current_user_key(), conversation_id, body.conversation, body.version)
        if saved is None:
            raise InvalidRequest(
                "The conversation has changed since this version. Load it, merge, and save again.",
                field="version",
                status=HTTPStatus.PRECONDITION_FAILED,
            )
        return make_uncached_response({"version": saved})

    @blueprint.delete("/api/conversations/<conversation_id>")
    def delete_conversation(conversation_id: str) -> Response:
        refuse_foreign_origin(request)
        store().delete_conversation(current_user_key(), _checked(conversation_id))
        return Response(status=HTTPStatus.NO_CONTENT)

    return blueprint


def _checked(conversation_id: str) -> str:
    return conversation_id if _ID.fullmatch(conversation_id) else abort(HTTPStatus.NOT_FOUND)
