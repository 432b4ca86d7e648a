"""Functions of an application that cannot be called as the hook is: they are refused where they are set."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from sluice import Chat, Sluice


async def asynchronous(*_: Any) -> Any:
    """Do nothing."""


def plain(*_: Any) -> Any:
    """Do nothing."""


class AsynchronousObject:
    async def __call__(self, *_: Any) -> Any:
        """Do nothing."""


@pytest.mark.parametrize("hook", ["authorize", "prepare", "on_end"])
@pytest.mark.parametrize("function", [asynchronous, functools.partial(asynchronous, 1), AsynchronousObject()])
def test_an_async_function_is_refused_where_a_plain_one_is_called(hook: str, function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=rf"^{hook} should be a plain function: `def` without `async`"):
        getattr(Sluice(), hook)(function)


def test_a_plain_function_is_refused_where_an_async_one_is_awaited() -> None:
    sluice: Any = Sluice()
    with pytest.raises(TypeError, match=r"^before_model should be an async function: `async def`"):
        sluice.before_model(plain)
    assert sluice.before_model(asynchronous) is asynchronous


def test_a_decorated_async_function_and_an_object_with_one_may_run_before_the_model() -> None:
    @functools.wraps(asynchronous)
    def decorated(chat: Chat) -> Any:
        return asynchronous(chat)

    for function in (decorated, AsynchronousObject(), functools.partial(asynchronous, 1)):
        Sluice().before_model(function)


@pytest.mark.parametrize("hook", ["authorize", "prepare", "before_model", "on_end"])
def test_what_is_no_function_is_refused_by_its_type(hook: str) -> None:
    with pytest.raises(TypeError, match=f"{hook} should be a function; this is of type str"):
        getattr(Sluice(), hook)("ada")


def test_a_store_of_conversations_that_cannot_work_is_refused_with_the_method_named() -> None:
    class Store:
        list_conversations = load_conversation = save_conversation = delete_conversation = plain

    without = type("Without", (Store,), {"save_conversation": None})
    with_async = type("WithAsync", (Store,), {"load_conversation": asynchronous})
    sluice: Any = Sluice()
    with pytest.raises(TypeError, match=r"^Without has no method save_conversation; it should have those of"):
        sluice.conversations(without)
    with pytest.raises(TypeError, match=r"^WithAsync\.load_conversation should be a plain function"):
        sluice.conversations(with_async)
    with pytest.raises(TypeError, match=r"^conversations should be a class; this is of type Store"):
        sluice.conversations(Store())
    assert sluice.conversations(Store) is Store
