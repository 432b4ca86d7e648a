"""How a run has ended, for a hook of the application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..chat import Chat
from ..events.tool_uses import ToolUse
from ..events.usage import Usage


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The end of one run: a whole answer, or as much of it as there is."""

    #: What was sent to the model.
    chat: Chat
    #: The text that came; of a whole answer all of it. Behind a call of a tool it goes on in another paragraph.
    text: str
    #: What the model thought; thoughts of several times are paragraphs.
    reasoning: str
    #: `done`; `disconnected`: the client stopped or lost the connection; `stopped`: the server was shut down;
    #: `timeout`; `error`.
    outcome: str
    #: The error's code; empty where there was none.
    code: str
    #: The provider's reason, such as `stop` or `length`; empty where the answer is not whole.
    finish_reason: str
    #: The tokens, estimated where the provider counted none; and the cost where prices are set.
    usage: Usage
    #: Seconds from the request to the end.
    duration: float
    #: The calls of tools, in their order: `call`, and `result` where there is one.
    tool_calls: Sequence[ToolUse] = ()

    @property
    def run_id(self) -> str:
        """The id of the request and of its run."""
        return self.chat.run_id

    @property
    def context(self) -> Mapping[str, Any]:
        """The values that the application gave with the chat."""
        return self.chat.context
