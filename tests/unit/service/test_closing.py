"""How long the end of a service takes at most: gunicorn kills a worker that takes longer."""

from __future__ import annotations

import asyncio
import time

import pytest

from sluice.service import ChatService, Settings
from sluice.service import service as service_module
from sluice.service.provider.client import ProviderClient
from sluice.service.settings.records.limits import CLOSING_TIME
from sluice.service.settings.records.provider import ProviderSettings

LIMIT = 1.0


def test_closing_connections_and_ending_tasks_have_one_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert service_module.CLOSE_TIMEOUT < CLOSING_TIME
    monkeypatch.setattr(service_module, "CLOSE_TIMEOUT", LIMIT)
    aclose = ProviderClient.aclose

    async def close_slowly(client: ProviderClient) -> None:
        await asyncio.sleep(0.7 * LIMIT)
        await aclose(client)

    monkeypatch.setattr(ProviderClient, "aclose", close_slowly)
    ended: list[asyncio.Task[None]] = []

    async def end_slowly() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1.3 * LIMIT)

    async def begin() -> None:
        ended.append(asyncio.ensure_future(end_slowly()))
        await asyncio.sleep(0)

    service = ChatService(
        Settings(provider=ProviderSettings(base_url="http://127.0.0.1:9/v1", model="m", api_key="k"))
    )
    service.start()
    service.loop.submit(begin()).result(LIMIT)
    began = time.monotonic()
    assert not service.close()
    assert time.monotonic() - began < 1.5 * LIMIT
    # The task ends by itself, and the loop with it.
    assert service.loop.close(2 * LIMIT)
    assert ended[0].cancelled()
