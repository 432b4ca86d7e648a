"""One chat, from the client's request to the model: the record that an application's hooks read and replace."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, get_args

from .message import Message, text_of
from .past_calls import with_past_calls
from .settings.providers import Price
from .settings.records.chat import InteractionMode

_MODES = get_args(InteractionMode)
# Fields of a request to the provider that the service sets itself.
_RESERVED = frozenset({"model", "messages", "stream", "stream_options"})


@dataclass(frozen=True, slots=True)
class Chat:
    """What is sent to the model, and what the application keeps beside it. Its fields are not changed; see `replace`.

    Raises:
        TypeError: A field has a value of another type.
        ValueError: `model` is empty, `mode` is no mode, or `extra` has a field that the service sets itself.
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
    #: The names of the application's tools that the model may call; None for all of them.
    tools: Sequence[str] | None = None
    #: Whether the provider's chunks are passed on as they come (`Chunks`), in place of what they hold.
    forwards: bool = False

    def __post_init__(self) -> None:
        for name in ("model", "system", "user", "source", "run_id"):
            _check_type(name, getattr(self, name), str, "a text")
        for name in ("extra", "context"):
            _check_type(name, getattr(self, name), Mapping, "a dict")
        if isinstance(self.messages, str) or not isinstance(self.messages, Sequence):
            raise TypeError(f"`messages` is of type {type(self.messages).__name__}; it should be a list of messages")
        for message in self.messages:
            if not (isinstance(message, dict) and "role" in message and "content" in message):
                raise TypeError(
                    "`messages` has something else; each message should be a dict with `role` and `content`"
                )
        if self.tools is not None:
            if isinstance(self.tools, str) or not isinstance(self.tools, Sequence):
                raise TypeError(f"`tools` is of type {type(self.tools).__name__}; it should be a list of names")
            # A client of `/v1` brings its own, whatever the application chooses for its other clients.
            if self.tools and "tools" in self.extra and not self.forwards:
                raise ValueError("`tools` names tools, and `extra` describes others; one of both should be there")
        if not self.model:
            raise ValueError("`model` is empty; it should be the name of a model of the provider")
        if self.mode not in _MODES:
            raise ValueError(f"`mode` is {self.mode!r}; it should be `stream` or `block`")
        if reserved := _RESERVED & self.extra.keys():
            raise ValueError(
                f"`extra` has {', '.join(sorted(reserved))}; it should have further fields, such as temperature"
            )

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values for these fields.

        Raises:
            TypeError: There is no field of such a name; or as when a chat is made.
            ValueError: As when a chat is made.
        """
        return dataclasses.replace(self, **changes)

    def add_system(self, *texts: str | None) -> Self:
        """Return a copy with further texts behind the system message.

        What is there stays: the operator's, and the instructions that a user of the page may give a conversation.

        Args:
            texts: A paragraph each. Empty ones and None are left out.
        """
        return self.replace(system="\n\n".join(filter(None, [self.system, *texts])))

    def keep_encoding(self, asked: Self) -> Self:
        """Return this chat for the client of another one: a function of the application may have made another one."""
        return self if self.forwards is asked.forwards else self.replace(forwards=asked.forwards)

    @property
    def question(self) -> str:
        """The text of the last message; empty where it has none, such as an image alone."""
        return text_of(self.messages[-1]) if self.messages else ""

    @property
    def prompt(self) -> list[Message]:
        """All messages for the model: the system message, if there is one, and the conversation with past calls."""
        system = [Message(role="system", content=self.system)] if self.system else []
        return [*system, *with_past_calls(self.messages, self.extra)]

    @property
    def prompt_texts(self) -> list[str]:
        """The texts of all messages for the model, with the results of past calls."""
        results = [call["text"] for message in self.messages for call in message.get("past_calls", ())]
        return [*filter(None, [self.system]), *map(text_of, self.messages), *results]


def _check_type(name: str, value: object, expected: type, words: str) -> None:
    if not isinstance(value, expected):
        hint = "; an empty text stands for none" if name == "system" and value is None else ""
        raise TypeError(f"`{name}` is of type {type(value).__name__}; it should be {words}{hint}")


@dataclass(slots=True)
class CurrentChat:
    """The chat of one run, which a hook may replace before the model is asked, and who is asked."""

    chat: Chat
    #: The provider that was asked last; empty before the first.
    provider: str = ""
    #: What its tokens cost; None where that is not known, or where it failed before the first token.
    price: Price | None = None
    #: The texts of further prompts, which were sent with the results of tools.
    further_texts: list[str] = field(default_factory=list)


#: Runs on the loop before the model is asked, at most until the limit for the first token. Returns the chat to send;
#: None for the same one. It may raise `Refused`.
BeforeModel = Callable[[Chat], Awaitable[Chat | None]]
