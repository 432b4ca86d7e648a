"""The clients of many providers are prepared without holding the loop up."""

from __future__ import annotations

import asyncio

from sluice.service.provider.router import ModelRouter
from sluice.service.settings.providers import Provider, ServedModel
from sluice.service.settings.providers_file import MOST_PROVIDERS
from sluice.service.settings.settings import Settings
from tests.support.scenario import run

MODELS = (ServedModel("m", "m"),)


def test_the_loop_has_a_turn_between_two_clients() -> None:
    providers = [Provider(f"p{port}", f"http://127.0.0.1:{port}/v1", models=MODELS) for port in range(MOST_PROVIDERS)]

    async def scenario() -> None:
        router = ModelRouter(lambda name, code: None)
        adding = asyncio.ensure_future(router.add(Settings(), providers))
        turns = 0
        while not adding.done():
            turns += 1
            await asyncio.sleep(0)
        await adding
        assert turns >= MOST_PROVIDERS
        assert len(router.routes("m")) == MOST_PROVIDERS
        await router.aclose()

    run(scenario)
