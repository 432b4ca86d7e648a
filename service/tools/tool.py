"""The tools of an application: what each is called, takes, and may do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..chat import Chat
from .consent import NeedsConsent
from .parameters import Parameters, read_parameters

#: Bytes of a result for the model, unless a tool has a limit of its own.
MAX_RESULT_BYTES = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

ToolFunction: TypeAlias = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool."""

    name: str
    description: str
    function: ToolFunction
    parameters: Parameters
    #: Seconds for one call; None for SLUICE_TOOL_TIMEOUT.
    timeout: float | None
    max_result_bytes: int
    #: Whether a person is asked before each call, or what says so of a call.
    needs_consent: bool | NeedsConsent = False

    def describe(self) -> dict[str, Any]:
        """Return the tool as an OpenAI-compatible server takes it."""
        function: dict[str, Any] = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters.schema,
        }
        if self.parameters.is_strict:
            function["strict"] = True
        return {"type": "function", "function": function}


def make_tool(
    function: ToolFunction,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    max_result_bytes: int = MAX_RESULT_BYTES,
    needs_consent: bool | NeedsConsent = False,
) -> Tool:
    """Make a tool of an async function.

    Args:
        function: Its parameters have annotations.
        name: The name for the model. Default: the function's.
        description: What the tool does, for the model. Default: the function's docstring.
        timeout: Seconds for one call. Default: SLUICE_TOOL_TIMEOUT.
        max_result_bytes: Bytes of a result that the model gets; a longer one is cut.
        needs_consent: Whether a person has to allow each call; or an async function of the arguments that says so.

    Raises:
        TypeError: It is no async function, or a parameter cannot be described.
        ValueError: The name is not one that providers take, there is no description, or a limit is not positive.
    """
    if not callable(function):
        raise TypeError(f"a tool should be an async function; this is of type {type(function).__name__}")
    name = name if name is not None else getattr(function, "__name__", type(function).__name__)
    if not _is_async(function):
        raise TypeError(f"the tool {name} should be an async function: `async def`; it is awaited on the event loop")
    if not _NAME.fullmatch(name):
        raise ValueError(f"the tool's name is {name!r}; it should have 1 to 64 ASCII letters, digits, _ and -")
    description = inspect.cleandoc(description if description is not None else inspect.getdoc(function) or "")
    if not description:
        raise ValueError(
            f"the tool {name} has no docstring; it should have one, or a description: the model decides by it"
        )
    if timeout is not None and not timeout > 0:
        raise ValueError(f"the timeout of the tool {name} is {timeout}; it should be a number of seconds above 0")
    if max_result_bytes < 1:
        raise ValueError(f"max_result_bytes of the tool {name} is {max_result_bytes}; it should be at least 1")
    if not isinstance(needs_consent, bool) and not (callable(needs_consent) and _is_async(needs_consent)):
        raise TypeError(f"needs_consent of the tool {name} should be a bool, or an async function of the arguments")
    parameters = read_parameters(function, name)
    return Tool(name, description, function, parameters, timeout, max_result_bytes, needs_consent)


# A dictionary, so that to ask whether there are any costs a request no call.
class ToolSet(dict[str, Tool]):
    """The tools of an application, by their names. They are added before the first request."""

    def add(self, tool: Tool) -> None:
        """Add a tool.

        Raises:
            RuntimeError: There is one of its name.
        """
        if tool.name in self:
            raise RuntimeError(f"there is a tool {tool.name} already; each should have a name of its own")
        self[tool.name] = tool

    def choose(self, chat: Chat) -> dict[str, Tool]:
        """Return the tools that the model may call in a chat, by their names.

        None where the client or the application brings descriptions of others itself, in `extra`.

        Raises:
            ValueError: The chat names a tool that there is not.
        """
        if chat.forwards or "tools" in chat.extra:
            return {}
        if chat.tools is None:
            return self
        if unknown := [name for name in chat.tools if name not in self]:
            known = ", ".join(self) or "none"
            raise ValueError(f"`tools` of the chat names {unknown[0]!r}; there are {known}")
        return {name: self[name] for name in chat.tools}


def _is_async(function: Any) -> bool:
    # The function of an object that can be called; and a decorator may return a plain function.
    call = getattr(type(function), "__call__", None)  # noqa: B004
    return any(inspect.iscoroutinefunction(each) for each in (function, call, inspect.unwrap(function)))
