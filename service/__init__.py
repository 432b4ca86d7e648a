"""The streaming service: one asyncio loop in a daemon thread, and what crosses from it to synchronous code.

It knows nothing of Flask, gunicorn or HTTP to the browser (README.md in this folder).

Names are imported when they are first asked for: gunicorn's master process needs the settings alone, and reading
them must not load the openai client into it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bridge import Bridge as Bridge
    from .bridge import SourceCancelled as SourceCancelled
    from .chat import ChatService as ChatService
    from .chat import Reply as Reply
    from .loop import LoopState as LoopState
    from .loop import LoopThread as LoopThread
    from .loop import LoopUnavailable as LoopUnavailable
    from .loop import ThreadsReplaced as ThreadsReplaced
    from .loop import WrongThread as WrongThread
    from .run import Run as Run
    from .run import RunLabels as RunLabels
    from .settings import Settings as Settings
    from .settings import SettingsError as SettingsError

__version__ = "0.1.0"

_ROOMS = {
    "bridge": ("Bridge", "SourceCancelled"),
    "chat": ("ChatService", "Reply"),
    "loop": ("LoopState", "LoopThread", "LoopUnavailable", "ThreadsReplaced", "WrongThread"),
    "run": ("Run", "RunLabels"),
    "settings": ("Settings", "SettingsError"),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}
__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
