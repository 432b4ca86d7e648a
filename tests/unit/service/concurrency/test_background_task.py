"""Tasks that outlive the request that has begun them."""

from __future__ import annotations

import asyncio
import weakref
from contextvars import ContextVar

from sluice.service.concurrency.background_task import start_background_task
from sluice.service.observability.logging import NO_REQUEST, request_id


class Request:
    """A web request, which a context holds."""


CURRENT: ContextVar[Request] = ContextVar("current")


def test_a_background_task_neither_logs_the_id_of_the_request_that_began_it_nor_keeps_it_alive() -> None:
    seen = []

    async def go_on() -> None:
        seen.append(request_id.get())
        await asyncio.get_running_loop().create_future()

    async def handle() -> tuple[asyncio.Task[None], weakref.ref[Request]]:
        request = Request()
        CURRENT.set(request)
        request_id.set("the request's")
        return start_background_task(go_on()), weakref.ref(request)

    async def serve() -> None:
        task, request = await asyncio.create_task(handle())
        await asyncio.sleep(0)
        assert request() is None
        assert seen == [NO_REQUEST]
        task.cancel()

    asyncio.run(serve())
