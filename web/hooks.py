"""The functions by which an application decides who chats, about what, and what becomes of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from ..service.chat import BeforeModel, Chat
from ..service.runs.run_end import RunEnd
from ..service.tools.tool import ToolSet
from .security.sign_in import Authorize

Prepare: TypeAlias = Callable[[Chat], Chat]
OnEnd: TypeAlias = Callable[[RunEnd], None]


class ConversationStore(Protocol):
    """Where an application keeps its users' conversations. Its methods are called like views, for a request.

    A conversation is a JSON object of the page, at most `SLUICE_MAX_BODY_BYTES` long. The application keeps it as it
    is, with a version of its own choice: a text that differs after each change.
    """

    def list_conversations(self, user: str) -> Iterable[tuple[str, str]]:
        """Return the id and the version of each conversation of a user."""

    def load_conversation(self, user: str, conversation_id: str) -> tuple[dict[str, Any], str] | None:
        """Return a conversation and its version; None if the user has none of this id."""

    def save_conversation(
        self, user: str, conversation_id: str, conversation: dict[str, Any], version: str | None
    ) -> str | None:
        """Store a conversation in place of one version, in one transaction.

        Args:
            user: As `authorize` returns it, as a text.
            conversation_id: At most 64 characters. Unique for a user.
            conversation: The document.
            version: The version to replace; None for a new conversation.

        Returns:
            The new version; None, with nothing stored, if the present version is another one.
        """

    def delete_conversation(self, user: str, conversation_id: str) -> None:
        """Delete a conversation, if there is one."""


@dataclass
class Hooks:
    """The functions of one extension, set before the first request. `Sluice` documents each."""

    authorize: Authorize | None = None
    prepare: Prepare | None = None
    before_model: BeforeModel | None = None
    on_end: OnEnd | None = None
    conversations: ConversationStore | None = None
    tools: ToolSet = field(default_factory=ToolSet)
