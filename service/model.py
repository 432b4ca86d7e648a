"""Messages -> an async iterator of events, from any OpenAI-compatible server.

The only importer of `openai` (and of `httpx2`, the HTTP library whose responses and errors it hands out). Every
failure is mapped into `errors.py` here and nowhere else; a provider's words go into `detail`, for the log.

The client's raw bytes are taken, and decoded in `answer.py`: see there what its own decoder makes of odd streams.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx2
from openai import APIConnectionError, AsyncOpenAI, AsyncStream, DefaultAioHttpClient, OpenAIError

from .answer import RETRY_AFTER_UNKNOWN, Answer
from .errors import (
    ServiceError,
    UpstreamInvalid,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from .events import Accepted, Event
from .message import Message
from .settings import OPENAI_BASE_URL, Settings

logger = logging.getLogger("sluice.model")

# After the finish reason the answer is whole; only the usage is still to come. Two seconds are plenty for a
# server that sends it, and a server that does not must not spoil a whole answer.
USAGE_GRACE = 2.0
# Of a refusal's body; enough for any provider's message, and no server can fill our memory with it.
REFUSAL_EXCERPT_BYTES = 4096
# A provider's own wish is passed on, but no more than an hour of it.
RETRY_AFTER_MOST = 3600.0
# Idle connections are kept for as long as common front ends keep theirs; a stale one costs one retry.
KEEPALIVE_EXPIRY = 30.0


class ModelClient:
    """One client and one connection pool for a process. Make and use it on the loop's thread only."""

    def __init__(self, settings: Settings, base_url: str) -> None:
        """Prepare the client; nothing is sent.

        Args:
            settings: Key, limits and time limits. Nothing is read from the environment.
            base_url: Where the model answers; the demo model's own address where that answers.
        """
        self._settings = settings
        http_client = DefaultAioHttpClient(
            timeout=httpx2.Timeout(
                connect=settings.connect_timeout,
                # Covers waiting for a connection, DNS and all addresses of a host together.
                pool=settings.connect_timeout,
                # The waits for tokens are ours (`_read`): a read limit would count pings as tokens.
                read=None,
                write=None,
            ),
            # Never fewer connections than streams: a request that waits for a connection waits in silence.
            limits=httpx2.Limits(
                max_connections=settings.max_streams,
                max_keepalive_connections=settings.max_streams,
                keepalive_expiry=KEEPALIVE_EXPIRY,
            ),
            # A redirected POST would become a GET, or carry the key to another host.
            follow_redirects=False,
            # Proxies from the environment, as everywhere; but never between us and our own machine.
            trust_env=not _is_loopback(base_url),
            event_hooks={"response": [_refuse_unless_ok]},
        )
        self._client = AsyncOpenAI(
            # Servers without keys (Ollama, vLLM) ignore it; the client insists on one.
            api_key=settings.api_key or "no-key",
            base_url=base_url,
            # Ours: theirs honours a Retry-After of two minutes, and knows nothing of the first-token limit.
            max_retries=0,
            http_client=http_client,
        )
        # The client has read these from the environment, where nobody who reads our settings looks for them.
        self._client.organization = self._client.project = self._client.admin_api_key = None

    async def aclose(self) -> None:
        """Close the connection pool. Open streams end with an error."""
        await self._client.close()

    async def stream(
        self, messages: Sequence[Message], model: str, first_token_deadline: float
    ) -> AsyncGenerator[Event, None]:
        """Ask the model once and decode its answer.

        Args:
            messages: The whole conversation, oldest first.
            model: The model's name, as the provider knows it.
            first_token_deadline: On the loop's clock, in seconds.

        Yields:
            `Accepted`, then `Text` and `Reasoning`, then one `Finished`.

        Raises:
            UpstreamError: Any failure, by its class; never after `Finished`.

        Cancelling or closing closes the connection to the model at once, before this returns.
        """
        now = asyncio.get_running_loop().time
        total_deadline = now() + self._settings.total_timeout
        response = await self._open(messages, model, min(first_token_deadline, total_deadline))
        answer = Answer(self._settings.max_event_bytes)
        deadline = first_token_deadline
        async with aclosing(response), aclosing(_pieces(response)) as pieces:
            yield Accepted()
            while not answer.ended:
                try:
                    piece = await _read(pieces, min(deadline, total_deadline))
                except UpstreamTimeout:
                    if answer.finish_reason is None:
                        raise
                    break  # only the usage is missing
                except httpx2.RequestError as error:
                    if answer.finish_reason is not None:
                        break
                    detail = f"{type(error).__name__}: {error}"
                    if isinstance(error, httpx2.DecodingError):
                        raise UpstreamInvalid(detail) from error
                    raise answer.cut_off(detail) from error
                for event in answer.finish() if piece is None else answer.feed(piece):
                    yield event
                if answer.finish_reason is not None:
                    deadline = min(deadline, now() + USAGE_GRACE)
                elif answer.progressed:
                    deadline = now() + self._settings.next_token_timeout
        yield answer.conclusion()

    async def _open(self, messages: Sequence[Message], model: str, deadline: float) -> httpx2.Response:
        body = {
            "model": model,
            "messages": list(messages),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        try:
            async with asyncio.timeout_at(deadline):
                # `post` and not `chat.completions.create`, which spends 0.5 ms on checking what is known here.
                response = await self._client.post(
                    "/chat/completions",
                    cast_to=httpx2.Response,
                    body=body,
                    # A compressed event stream gathers tokens in the compressor.
                    options={"headers": {"Accept": "text/event-stream", "Accept-Encoding": "identity"}},
                    stream=True,
                    stream_cls=AsyncStream[Any],
                )
        except ServiceError:
            raise
        except TimeoutError:
            raise UpstreamTimeout("no answer within the first-token limit") from None
        except APIConnectionError as error:
            # Its own text is only «Connection error.»; the reason is in the cause.
            raise UpstreamUnavailable(f"{type(error.__cause__).__name__}: {error.__cause__}") from error
        except (OpenAIError, httpx2.RequestError, httpx2.InvalidURL) as error:
            raise UpstreamUnavailable(f"{type(error).__name__}: {error}") from error
        except (aiohttp.ClientError, UnicodeError) as error:
            # What openai's transport lets through where a reply is not HTTP, or its status line is not ASCII.
            raise UpstreamInvalid(f"{type(error).__name__}: {error}") from error
        assert isinstance(response, httpx2.Response)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("text/html", "application/json"):
            async with aclosing(response):
                excerpt = await _excerpt(response, deadline)
            raise UpstreamInvalid(f"200 with {kind} in place of an event stream: {excerpt}")
        return response


async def _pieces(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    async for piece in response.aiter_bytes():
        yield piece


async def _read(pieces: AsyncIterator[bytes], deadline: float) -> bytes | None:
    """Wait for bytes until ``deadline`` (loop's clock); ``None`` at their end."""
    try:
        # Around the wait alone: around the whole stream it would count a slow reader's time as the model's.
        async with asyncio.timeout_at(deadline):
            return await anext(pieces, None)
    except TimeoutError:
        raise UpstreamTimeout("no word within the time limit") from None


async def _refuse_unless_ok(response: httpx2.Response) -> None:
    """Map every status but 200, reading no more of the body than the log needs.

    A hook of the HTTP client: the openai client would read the whole body first, however long it is.
    """
    status = response.status_code
    if status == 200:
        return
    loop = asyncio.get_running_loop()
    async with aclosing(response):
        excerpt = await _excerpt(response, loop.time() + USAGE_GRACE)
    detail = f"{status}: {excerpt}"
    if status == 429:
        raise UpstreamRateLimited(detail, retry_after=_retry_after(response.headers))
    if 300 <= status < 400:
        raise UpstreamRejected(f"{detail} (redirects to {response.headers.get('location')!r} are not followed)")
    if 400 <= status < 500 and status != 408:
        if "context_length_exceeded" in excerpt:
            raise UpstreamRejected(
                detail, sentence="The conversation is too long for this model. Start a new one or shorten it."
            )
        raise UpstreamRejected(detail)
    if status >= 500 or status == 408:
        raise UpstreamUnavailable(detail)
    raise UpstreamInvalid(detail)


async def _excerpt(response: httpx2.Response, deadline: float) -> str:
    """Read the beginning of a refusal's body, for the log."""
    body = b""
    try:
        async with asyncio.timeout_at(deadline), aclosing(_pieces(response)) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) >= REFUSAL_EXCERPT_BYTES:
                    break
    except (TimeoutError, httpx2.RequestError) as error:
        logger.debug("a refusal's body broke off: %s", type(error).__name__)
    return body[:REFUSAL_EXCERPT_BYTES].decode(errors="replace")


def _retry_after(headers: httpx2.Headers) -> float:
    """Seconds that the provider asks to wait, within our own bounds; both forms of RFC 9110, section 10.2.3."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return RETRY_AFTER_UNKNOWN
    # Written so that NaN ends as the lower bound.
    return min(max(1.0, seconds), RETRY_AFTER_MOST)


def _is_loopback(base_url: str) -> bool:
    host = urlsplit(base_url or OPENAI_BASE_URL).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
