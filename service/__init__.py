"""The streaming service: one asyncio loop in a daemon thread, and the bridge from it to synchronous code.

It knows nothing of Flask, gunicorn or HTTP to the browser (README.md in this folder).

Names are imported when they are first asked for: gunicorn's master process needs the settings alone, and reading
them must not load the openai client into it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .chat import Chat as Chat
    from .concurrency.bridge import Bridge as Bridge
    from .concurrency.bridge import SourceCancelled as SourceCancelled
    from .concurrency.event_loop_thread import LoopState as LoopState
    from .concurrency.event_loop_thread import LoopThread as LoopThread
    from .concurrency.event_loop_thread import LoopUnavailable as LoopUnavailable
    from .concurrency.event_loop_thread import WrongThread as WrongThread
    from .concurrency.replaced_threads import ThreadsReplaced as ThreadsReplaced
    from .runs.run import Run as Run
    from .runs.run_end import RunEnd as RunEnd
    from .service import ChatService as ChatService
    from .service import Reply as Reply
    from .settings.settings import Settings as Settings
    from .settings.settings import SettingsError as SettingsError

_EXPORTS = {
    "concurrency.bridge": ("Bridge", "SourceCancelled"),
    "service": ("ChatService", "Reply"),
    "concurrency.event_loop_thread": ("LoopState", "LoopThread", "LoopUnavailable", "WrongThread"),
    "concurrency.replaced_threads": ("ThreadsReplaced",),
    "chat": ("Chat",),
    "runs.run": ("Run",),
    "runs.run_end": ("RunEnd",),
    "settings.settings": ("Settings", "SettingsError"),
}
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = [*_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
