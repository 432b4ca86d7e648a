"""The routes of `conversations.py` in the OpenAPI document of an application that has Sluice as an extension."""

from __future__ import annotations

from typing import Any

import msgspec

from ...service.errors import InternalError, Overloaded, ServiceError
from ..api.conversations import SavedConversation
from ..request_errors import CsrfRefused
from .replies import REFUSALS, describe_errors, json_reply, reference
from .runs import APPLICATION_ERRORS

_HOST = "the Host header is malformed or missing"
_MISSING = "there is no such conversation, the application keeps none, or it names no user"
_ID = {
    "name": "conversation_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9A-Za-z_-]{1,64}$"},
}


class ConversationVersion(msgspec.Struct):
    """One conversation that is kept."""

    id: str
    version: str


class ConversationList(msgspec.Struct):
    """The user's conversations."""

    conversations: list[ConversationVersion]


class KeptConversation(msgspec.Struct):
    """A conversation, as the page has written it."""

    conversation: dict[str, Any]
    version: str


class KeptVersion(msgspec.Struct):
    """The version under which a conversation is kept now."""

    version: str


#: The types of this file that the document needs.
KINDS = (SavedConversation, ConversationList, KeptConversation, KeptVersion)


def describe_conversations() -> dict[str, Any]:
    """Return the paths."""
    forgotten = json_reply("It is forgotten.", KeptVersion)
    forgotten["content"] = {}
    save = _operation(
        "saveConversation",
        "Keep a conversation",
        {"200": json_reply("It is kept.", KeptVersion)},
        [_ID],
        {
            400: f"the body is of another form, its id is not that of the address, or {_HOST}",
            403: REFUSALS[403],
            404: _MISSING,
            408: REFUSALS[408],
            412: "the conversation has changed since this version",
            413: REFUSALS[413],
            415: REFUSALS[415],
        },
        (CsrfRefused,),
    )
    save["requestBody"] = {
        "description": "The version on which it is based; null if there should be none.",
        "required": True,
        "content": {"application/json": {"schema": reference(SavedConversation)}},
    }
    save["responses"]["415"]["headers"]["Accept-Encoding"] = {
        "description": "Where the body was compressed.",
        "required": False,
        "schema": {"type": "string", "const": "identity"},
    }
    reading = {400: _HOST, 404: _MISSING}
    return {
        "/api/conversations": {
            "get": _operation(
                "listConversations",
                "List the user's conversations",
                {"200": json_reply("They.", ConversationList)},
                [],
                reading,
            )
        },
        "/api/conversations/{conversation_id}": {
            "get": _operation(
                "loadConversation",
                "Read a conversation",
                {"200": json_reply("It.", KeptConversation)},
                [_ID],
                reading,
            ),
            "put": save,
            "delete": _operation(
                "deleteConversation",
                "Forget a conversation",
                {"204": forgotten},
                [_ID],
                {**reading, 403: REFUSALS[403]},
                (CsrfRefused,),
            ),
        },
    }


def _operation(
    operation: str,
    summary: str,
    replies: dict[str, Any],
    parameters: list[dict[str, Any]],
    refusals: dict[int, str],
    failures: tuple[type[ServiceError], ...] = (),
) -> dict[str, Any]:
    errors = describe_errors(
        (*failures, *APPLICATION_ERRORS, Overloaded, InternalError), {**refusals, 421: REFUSALS[421]}
    )
    return {
        "operationId": operation,
        "tags": ["conversations"],
        "summary": summary,
        "parameters": parameters,
        "responses": {**replies, **errors},
    }
