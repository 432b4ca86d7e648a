"""One chat, from the client's request to the model: the record that an application's hooks read and replace."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from .message import Message
from .settings.chat import InteractionMode

# Fields of a request to the provider that the service sets itself.
_RESERVED = frozenset({"model", "messages", "stream", "stream_options"})


@dataclass(frozen=True, slots=True)
class Chat:
    """What is sent to the model, and what the application keeps beside it. Its fields are not changed; see `replace`.

    Raises:
        ValueError: `extra` has a field that the service sets itself.
    """

    #: The conversation, oldest first, without the system message.
    messages: Sequence[Message]
    #: The model's name, as the provider knows it.
    model: str
    #: `stream` for events, `block` for one reply.
    mode: InteractionMode = "stream"
    #: The system message before the conversation; empty for none.
    system: str = ""
    #: Further fields of the request to the provider, such as `{"temperature": 0.2}`; not `model`, `messages`,
    #: `stream` and `stream_options`.
    extra: Mapping[str, Any] = field(default_factory=dict)
    #: Values of the application, which come back at the end of the run. They are sent nowhere.
    context: Mapping[str, Any] = field(default_factory=dict)
    #: The key of the signed-in user; empty where the application names none.
    user: str = ""
    #: The kind of client that made the request: `page`, `api` or another short name.
    source: str = "api"
    #: The id of the request and of its run, for the log.
    run_id: str = ""

    def __post_init__(self) -> None:
        if reserved := _RESERVED & self.extra.keys():
            raise ValueError(
                f"`extra` has {', '.join(sorted(reserved))}; it should have further fields, such as temperature"
            )

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values for these fields.

        Raises:
            TypeError: There is no field of such a name.
            ValueError: As when a chat is made.
        """
        return dataclasses.replace(self, **changes)

    @property
    def prompt(self) -> list[Message]:
        """All messages for the model: the system message, if there is one, and the conversation."""
        system = [Message(role="system", content=self.system)] if self.system else []
        return [*system, *self.messages]


@dataclass(slots=True)
class CurrentChat:
    """The chat of one run, which a hook may replace before the model is asked."""

    chat: Chat


#: Runs on the loop before the model is asked, at most until the limit for the first token. Returns the chat to send;
#: None for the same one. It may raise `Refused`.
BeforeModel = Callable[[Chat], Awaitable[Chat | None]]
