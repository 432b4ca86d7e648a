"""Choose which providers are asked for a model, and in which order (docs/decisions/0089-fail-over.md)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from ..chat import CurrentChat
from ..errors import ModelNotFound, ServiceError, UpstreamError
from ..runs.log import EventSink
from ..settings.providers import Provider, ServedModel
from ..settings.settings import Settings
from .client import ProviderClient

logger = logging.getLogger("sluice.model")

# Seconds for which a route that has failed is asked last. Each request that is asked of it first meanwhile would pay
# for the outage again, up to the limit of the first token; one that is back again is not left out for long.
REST = 10.0
# A provider's `Retry-After` may be longer: of a limit for each minute it is up to 60. Beyond five minutes it says
# nothing about how soon another try is worth a failure.
REST_MOST = 300.0


class Route:
    """One model at one provider. On the loop's thread only."""

    def __init__(
        self,
        client: ProviderClient,
        provider: str,
        model: ServedModel | None,
        on_failure: Callable[[str, str], None],
        *,
        has_others: bool = False,
    ) -> None:
        """Describe it.

        Args:
            client: Asks the provider.
            provider: The provider's name.
            model: The model; None where the provider is asked for any.
            on_failure: As `ModelRouter`.
            has_others: Whether another provider serves the model.
        """
        self._client = client
        self._provider = provider
        self._model = model
        self._on_failure = on_failure
        self._has_others = has_others
        self._rests_until = 0.0

    @property
    def is_resting(self) -> bool:
        """Whether it has failed just now, so that others should be asked first."""
        return asyncio.get_running_loop().time() < self._rests_until

    async def stream(self, current: CurrentChat, log: EventSink, first_token_deadline: float) -> None:
        """Ask for an answer, once; take note of a failure that may pass.

        Args:
            current: What is sent; gets the provider's name and price.
            log: As `ProviderClient.stream`.
            first_token_deadline: As `ProviderClient.stream`.

        Raises:
            UpstreamError: As `ProviderClient.stream`.
            Overloaded: As `ProviderClient.stream`.

        Cancelling closes the connection to the provider.
        """
        chat = current.chat
        current.provider = self._provider
        current.price = None if self._model is None else self._model.price
        model = chat.model if self._model is None else self._model.id
        try:
            await self._client.stream(
                chat.prompt, model, first_token_deadline, log, extra=chat.extra, forwards=chat.forwards
            )
        except ServiceError as error:
            if not log.last_number:
                current.price = None
            if isinstance(error, UpstreamError):
                self._on_failure(self._provider, error.code)
                if error.retryable and self._has_others:
                    self._rest(error)
            raise
        self._rests_until = 0.0

    def _rest(self, error: UpstreamError) -> None:
        seconds = min(max(REST, error.retry_after or 0.0), REST_MOST)
        self._rests_until = asyncio.get_running_loop().time() + seconds
        logger.warning("the provider %s failed, and is asked last for %g s: %s", self._provider, seconds, error)


class ModelRouter:
    """The clients of all providers of a process. Make and use it on the loop's thread only."""

    def __init__(self, on_failure: Callable[[str, str], None]) -> None:
        """Begin without a provider; see `add`.

        Args:
            on_failure: Called with the provider's name and the failure's code after each attempt that fails.
        """
        self._on_failure = on_failure
        self._clients: list[ProviderClient] = []
        self._routes: dict[str, list[Route]] = {}
        self._for_any: list[Route] = []

    async def add(self, settings: Settings, providers: Sequence[Provider]) -> None:
        """Prepare a client for each provider; nothing is sent but look-ups of `localhost`.

        Args:
            settings: Limits, time limits and proxies.
            providers: In the order in which they are asked. One without models is asked for any model.
        """
        names = [model.name for provider in providers for model in provider.models]
        for provider in providers:
            # It takes a tenth of a second. With the loop's turns between them, its watchdog sees that it is alive.
            await asyncio.sleep(0)
            client = ProviderClient(settings, provider)
            self._clients.append(client)
            await client.start_resolver()
            if not provider.models:
                self._for_any.append(Route(client, provider.name, None, self._on_failure))
            for model in provider.models:
                has_others = names.count(model.name) > 1
                route = Route(client, provider.name, model, self._on_failure, has_others=has_others)
                self._routes.setdefault(model.name, []).append(route)

    def routes(self, model: str) -> Sequence[Route]:
        """Return who is asked for a model, in order: those that failed just now are the last.

        Raises:
            ModelNotFound: No provider serves it. An application's function may have chosen it.
        """
        routes = self._routes.get(model) or self._for_any
        if not routes:
            raise ModelNotFound(f"no provider of SLUICE_PROVIDERS has the model {model!r}")
        return sorted(routes, key=lambda route: route.is_resting) if len(routes) > 1 else routes

    async def aclose(self) -> None:
        """Close all connections. Open streams end with an error."""
        for client in self._clients:
            await client.aclose()
