"""Refuses functions of an application that are asynchronous where they should not be, or the reverse."""

from __future__ import annotations

import inspect
from typing import Any

from .hooks import ConversationStore

# Awaited on the loop. All others are called on a thread, like views.
_ASYNCHRONOUS = "before_model"


def check_hook(name: str, function: Any) -> None:
    """Refuse a function that cannot be called as a hook is.

    Args:
        name: The hook's.
        function: What the application gives.

    Raises:
        TypeError: It is no function, or asynchronous where it should not be, or the reverse.
    """
    if not callable(function):
        raise TypeError(f"{name} should be a function; this is of type {type(function).__name__}")
    if name != _ASYNCHRONOUS:
        _refuse_async(name, function)
    # A decorator may return a plain function whose result is a coroutine.
    elif not _is_async(function) and not _is_async(inspect.unwrap(function)):
        raise TypeError(f"{name} should be an async function: `async def`; it is awaited on the event loop")


def check_store(store: Any) -> None:
    """Refuse a class that cannot keep conversations.

    Args:
        store: What the application gives.

    Raises:
        TypeError: It is no class, or a method of `ConversationStore` is missing or asynchronous.
    """
    if not isinstance(store, type):
        raise TypeError(f"conversations should be a class; this is of type {type(store).__name__}")
    for name in (name for name in vars(ConversationStore) if not name.startswith("_")):
        method = getattr(store, name, None)
        if not callable(method):
            raise TypeError(f"{store.__name__} has no method {name}; it should have those of ConversationStore")
        _refuse_async(f"{store.__name__}.{name}", method)


def _refuse_async(name: str, function: Any) -> None:
    if _is_async(function):
        raise TypeError(f"{name} should be a plain function: `def` without `async`; it is called on a thread")


def _is_async(function: Any) -> bool:
    # The function of an object that can be called.
    call = getattr(type(function), "__call__", None)  # noqa: B004
    return any(inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in (function, call))
