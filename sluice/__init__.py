"""Streaming LLM chat for Flask: the public names, each imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .service.chat import Chat as Chat
    from .service.concurrency.bridge import Bridge as Bridge
    from .service.concurrency.event_loop_thread import LoopThread as LoopThread
    from .service.errors import Refused as Refused
    from .service.runs.run_end import RunEnd as RunEnd
    from .service.tools.context import ToolContext as ToolContext
    from .service.tools.context import ToolError as ToolError
    from .web import create_app as create_app
    from .web.extension import Sluice as Sluice
    from .web.hooks import ConversationStore as ConversationStore

__version__ = "0.1.0"

_EXPORTS = {
    "Chat": ".service.chat",
    "Bridge": ".service.concurrency.bridge",
    "ConversationStore": ".web.hooks",
    "LoopThread": ".service.concurrency.event_loop_thread",
    "Refused": ".service.errors",
    "RunEnd": ".service.runs.run_end",
    "Sluice": ".web.extension",
    "ToolContext": ".service.tools.context",
    "ToolError": ".service.tools.context",
    "create_app": ".web",
}
__all__ = [
    "Bridge",
    "Chat",
    "ConversationStore",
    "LoopThread",
    "Refused",
    "RunEnd",
    "Sluice",
    "ToolContext",
    "ToolError",
    "__version__",
    "create_app",
]

# Installed, `service` and `web` lie in this folder; in a checkout beside it (pyproject.toml, `package-dir`).
if not Path(__file__).with_name("service").is_dir():
    __path__.append(str(Path(__file__).parents[1]))


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name], __name__), name)
