"""Messages -> an async iterator of events, from any OpenAI-compatible server.

The only importer of `openai` (and of `httpx2`, the HTTP library whose responses and errors it hands out). Every
failure is mapped into `errors.py` here and nowhere else; a provider's words go into `detail`, for the log.

The client's raw bytes are taken, and decoded in `answer.py`: see there what its own decoder makes of odd streams.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import httpx2
from openai import APIConnectionError, AsyncOpenAI, AsyncStream, OpenAIError

from .answer import RETRY_AFTER_UNKNOWN, Answer
from .deadline import Deadline
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
from .proxy import proxy_for
from .settings import Settings
from .transport import AiohttpTransport, unread, unwrapped

logger = logging.getLogger("sluice.model")

# After the finish reason the answer is whole; only the usage is still to come. Two seconds are plenty for a
# server that sends it, and a server that does not must not spoil a whole answer.
USAGE_GRACE = 2.0
# Most servers send `[DONE]` and the end of the body in two writes, of which the second may wait 40 ms for our side's
# delayed acknowledgement of the first. It saves the next request a new connection, with TLS three round trips.
END_GRACE = 0.1
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
        http_client = httpx2.AsyncClient(
            transport=AiohttpTransport(
                # Never fewer connections than streams: a request that waits for a connection waits in silence.
                connections=settings.max_streams,
                keepalive=KEEPALIVE_EXPIRY,
                connect_timeout=settings.connect_timeout,
                proxy=proxy_for(base_url),
            ),
            # It would look for proxies itself, and send past the transport.
            trust_env=False,
            follow_redirects=False,
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
    ) -> AsyncGenerator[Sequence[Event], None]:
        """Ask the model once and decode its answer.

        Args:
            messages: The whole conversation, oldest first.
            model: The model's name, as the provider knows it.
            first_token_deadline: On the loop's clock, in seconds.

        Yields:
            What each read brought, in lists that are never empty: first `[Accepted]`, then `Text` and `Reasoning`,
            in the end `[Finished]`.

        Raises:
            UpstreamError: Any failure, by its class; never after `Finished`.

        Cancelling or closing closes the connection to the model at once, before this returns.
        """
        now = asyncio.get_running_loop().time
        total_deadline = now() + self._settings.total_timeout
        limit = min(first_token_deadline, total_deadline)
        response = await self._open(messages, model, limit)
        answer = Answer(self._settings.max_event_bytes)
        with closing(response):
            yield [Accepted()]
            with closing(Deadline(limit)) as deadline:
                while not answer.ended:
                    try:
                        deadline.waiting = True
                        piece = await response.content.readany()
                        deadline.waiting = False
                    except asyncio.CancelledError:
                        if not deadline.passed():
                            raise
                        if answer.finish_reason is None:
                            raise UpstreamTimeout("no word within the time limit") from None
                        break  # only the usage is missing
                    except aiohttp.ClientError as error:
                        deadline.waiting = False
                        # What had come before, while a slow reader held us back, is the reader's all the same.
                        if words := answer.feed(unread(response)):
                            yield words
                        if answer.ended or answer.finish_reason is not None:
                            break
                        raise _broken_off(error, answer) from error
                    if words := answer.feed(piece) if piece else answer.finish():
                        yield words
                    if answer.finish_reason is not None:
                        limit = min(limit, now() + USAGE_GRACE)
                    elif answer.progressed:
                        # After the yield: the time in which a slow reader held us back is not the model's.
                        limit = min(now() + self._settings.next_token_timeout, total_deadline)
                    deadline.move(limit)
            conclusion = answer.conclusion()
            if answer.ended and response.content.exception() is None:
                await _read_to_end(response)
        yield [conclusion]

    async def _open(self, messages: Sequence[Message], model: str, deadline: float) -> aiohttp.ClientResponse:
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
            # What the transport lets through where a reply is not HTTP, or its status line is not ASCII.
            raise UpstreamInvalid(f"{type(error).__name__}: {error}") from error
        assert isinstance(response, httpx2.Response)
        # What is around it, the request included, is let go of: a fifth of a waiting stream's memory.
        opened = unwrapped(response)
        kind = opened.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("text/html", "application/json"):
            with closing(opened):
                excerpt = await _excerpt(opened, deadline)
            raise UpstreamInvalid(f"200 with {kind} in place of an event stream: {excerpt}")
        return opened


async def _read_to_end(response: aiohttp.ClientResponse) -> None:
    """Wait for the end of a body behind the last event of a whole answer: then its connection can be used again."""
    try:
        async with asyncio.timeout(END_GRACE):
            await response.content.wait_eof()
    except (TimeoutError, aiohttp.ClientError) as error:
        logger.debug("a connection is not kept: %s", type(error).__name__)


def _broken_off(error: aiohttp.ClientError, answer: Answer) -> ServiceError:
    detail = f"{type(error).__name__}: {error}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, aiohttp.http_exceptions.ContentEncodingError):
            return UpstreamInvalid(detail)
        cause = cause.__cause__
    return answer.cut_off(detail)


async def _refuse_unless_ok(response: httpx2.Response) -> None:
    """Map every status but 200, reading no more of the body than the log needs.

    A hook of the HTTP client: the openai client would read the whole body first, however long it is.
    """
    status = response.status_code
    if status == 200:
        return
    loop = asyncio.get_running_loop()
    with closing(unwrapped(response)) as refusal:
        excerpt = await _excerpt(refusal, loop.time() + USAGE_GRACE)
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


async def _excerpt(response: aiohttp.ClientResponse, deadline: float) -> str:
    """Read the beginning of a refusal's body, for the log."""
    body = b""
    try:
        async with asyncio.timeout_at(deadline):
            while len(body) < REFUSAL_EXCERPT_BYTES and (piece := await response.content.readany()):
                body += piece
    except (TimeoutError, aiohttp.ClientError) as error:
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
