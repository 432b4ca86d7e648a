"""Ask a provider for an answer: messages in, events into a log, for any OpenAI-compatible server.

The openai package's stream is not used: see `completion_decoder.py` for what it makes of unusual responses.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import aiohttp

from ..concurrency.deadline import Deadline
from ..decoding.answer_decoder import AnswerDecoder
from ..decoding.chunk_writer import ChunkWriter
from ..decoding.completion_decoder import CompletionDecoder
from ..decoding.forwarded_chunks import ForwardedChunks
from ..decoding.responses_decoder import ResponsesDecoder
from ..errors import Overloaded, ServiceError, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from ..failures.mapping import failure_from_status
from ..message import Message
from ..observability.resources import NO_DESCRIPTORS, descriptors_short, exhausted_by
from ..runs.log import EventSink
from ..settings.providers import Api, Provider
from ..settings.settings import Settings
from .aiohttp_internals import ContentEncodingError
from .completion_reader import USAGE_GRACE, CompletionReader
from .refused_parts import OF_ALL_MODELS, Part, part_refused
from .request import ProviderRequest
from .response_body import ResponseBody
from .transport import NotSent, Transport

logger = logging.getLogger("sluice.model")

# Seconds. Most servers send `[DONE]` and the end of the body in two writes, and the second may wait 40 ms for our
# side's delayed acknowledgement of the first. It saves the next request a new connection, with TLS three round trips.
END_GRACE = 0.1
# Of a refusal's body; enough for any provider's message, and no server can fill our memory with it.
REFUSAL_EXCERPT_BYTES = 16_384
# Seconds. Idle connections are kept as long as common front ends keep theirs; a stale one costs one retry.
KEEPALIVE_EXPIRY = 30.0
_DECODERS: dict[Api, type[AnswerDecoder]] = {"chat": CompletionDecoder, "responses": ResponsesDecoder}
_TIME_LIMITS = "SLUICE_FIRST_TOKEN_TIMEOUT, SLUICE_NEXT_TOKEN_TIMEOUT or SLUICE_TOTAL_TIMEOUT"


class ProviderClient:
    """One client and one connection pool for a provider, in a process. Make and use it on the loop's thread only."""

    def __init__(self, settings: Settings, provider: Provider) -> None:
        """Prepare the client; nothing is sent.

        Args:
            settings: Limits, time limits and proxies.
            provider: Its URL, its key and its API.
        """
        self._settings = settings
        self._both_names = settings.openai_api.reasoning_names == "both"
        self._request = ProviderRequest.prepare(provider.base_url, provider.key, provider.api)
        self._decoder = _DECODERS[provider.api]
        # By model, what it is known to refuse of a request; under "" what the provider refuses for all models.
        self._left_out: defaultdict[str, frozenset[Part]] = defaultdict(frozenset)
        self._transport = Transport(
            self._request.url,
            # As many connections as streams: a request that waits for a connection would wait without a sign.
            connections=settings.limits.max_streams,
            keepalive=KEEPALIVE_EXPIRY,
            connect_timeout=settings.limits.connect_timeout,
            proxy=settings.proxies.choose(provider.base_url),
        )

    async def start_resolver(self) -> None:
        """Start the threads that look up host names, if requests will need them.

        libuv starts them with the first look-up, and aborts the process where it cannot.
        """
        if self._transport.looks_up_names():
            try:
                await asyncio.get_running_loop().getaddrinfo("localhost", None)
            except OSError as error:
                logger.debug("localhost has no address: %s", error)

    async def aclose(self) -> None:
        """Close the connection pool. Open streams end with an error."""
        await self._transport.aclose()

    async def stream(
        self,
        messages: Sequence[Message],
        model: str,
        first_token_deadline: float,
        log: EventSink,
        *,
        extra: Mapping[str, Any] = MappingProxyType({}),
        forwards: bool = False,
    ) -> None:
        """Send one request for an answer, and decode the response where its bytes arrive.

        Args:
            messages: The whole conversation, oldest first.
            model: The model's name, as the provider knows it.
            first_token_deadline: On the loop's clock, in seconds.
            log: Gets `Text`, `Reasoning` and `ToolCall`, and `Finished` at the end.
            extra: Further fields of the request.
            forwards: Whether the log gets `Chunks` in place of what they hold.

        Raises:
            UpstreamError: The request or the answer failed; never after `Finished`.
            Overloaded: The process has no descriptor for a connection.

        Cancelling closes the connection to the provider.
        """
        now = asyncio.get_running_loop().time
        limits = self._settings.limits
        total_deadline = now() + limits.total_timeout
        first_deadline = min(first_token_deadline, total_deadline)
        response = await self._open(messages, model, extra, first_deadline)
        with closing(response):
            log.accept()
            forwarded = self._forward(model) if forwards else None
            decoder = self._decoder(
                limits.max_event_bytes, limits.max_answer_chars, _content_type(response), forwarded
            )
            state = decoder.state
            body = ResponseBody(response)
            with closing(Deadline(first_deadline)) as deadline:
                reader = CompletionReader(
                    decoder, deadline, self._settings, total_deadline, log, lambda: body.is_complete
                )
                while not state.has_ended:
                    failure: ServiceError | None = None
                    try:
                        deadline.waiting = True
                        await body.consume(reader.consume)
                    except asyncio.CancelledError:
                        if not deadline.passed():
                            raise
                        reader.finish()
                        # Where the answer is whole, only the usage is missing.
                        if not state.is_whole:
                            failure = UpstreamTimeout(f"the provider sent no token within {_TIME_LIMITS}")
                    except aiohttp.ClientError as error:
                        # aiohttp's reader keeps it, and its traceback keeps the frames that keep the reader and the
                        # bridge: a reference cycle of some 200 objects.
                        error.__traceback__ = None
                        reader.finish()
                        if not state.is_whole:
                            failure = _connection_error(error, decoder)
                    finally:
                        deadline.waiting = False
                    if failure is not None:
                        raise failure
                    await log.wait_room()
                    # Behind the wait: the time in which a slow client held us back is not the provider's.
                    reader.move_deadline()
                    # The timer ends a wait, and a provider that is fast enough never lets this task wait.
                    is_late = now() >= deadline.at and not (state.has_ended or body.is_complete)
                    if is_late:
                        timeout = UpstreamTimeout(f"the provider did not end the answer within {_TIME_LIMITS}")
                        reader.end_with(timeout)
            if log.has_ended:
                return
            finished = decoder.result()
            if response.content.exception() is None:
                await _read_to_end(response)
        log.append([finished])

    def _forward(self, model: str) -> ForwardedChunks:
        writer = ChunkWriter(model, f"chatcmpl-{uuid4().hex}", int(time.time()))
        return ForwardedChunks(writer, both_names=self._both_names)

    async def _open(
        self, messages: Sequence[Message], model: str, extra: Mapping[str, Any], deadline: float
    ) -> aiohttp.ClientResponse:
        """Send the request, and again without each part that the server refuses; a part is refused once at most."""
        left_out = self._left_out[""] | self._left_out[model]
        while True:
            try:
                return await self._post(messages, model, extra, left_out, deadline)
            except _Refusal as refusal:
                part = part_refused(refusal.status, refusal.excerpt, left_out)
                if part is None or not self._request.has(part, messages):
                    raise failure_from_status(refusal.status, refusal.headers, refusal.excerpt) from None
            left_out |= {part}
            key = "" if part in OF_ALL_MODELS else model
            if part not in self._left_out[key]:
                self._left_out[key] |= {part}
                owner = f"the model {model}" if key else "the provider"
                logger.warning("%s refuses %s: further requests are sent without", owner, part.value)

    async def _post(
        self,
        messages: Sequence[Message],
        model: str,
        extra: Mapping[str, Any],
        left_out: frozenset[Part],
        deadline: float,
    ) -> aiohttp.ClientResponse:
        request = self._request
        headers = request.headers_without(left_out)
        try:
            body = request.body(messages, model, left_out, extra)
            async with asyncio.timeout_at(deadline):
                response = await self._transport.post(headers, body)
        except TimeoutError:
            raise UpstreamTimeout("the provider sent no response within SLUICE_FIRST_TOKEN_TIMEOUT") from None
        except NotSent as error:
            # A host's name cannot be looked up without a descriptor either, and that error does not name the cause.
            if (lacking := exhausted_by(error)) is not None or descriptors_short():
                raise Overloaded(f"{lacking or NO_DESCRIPTORS}: {error}") from error
            raise UpstreamUnavailable(str(error)) from error
        except (aiohttp.ClientError, UnicodeError) as error:
            # The response is not HTTP, or its status line is not ASCII.
            raise UpstreamInvalid(f"{type(error).__name__}: {error}") from error
        # With 200 the body's first bytes tell what it is, as some providers send a wrong content type.
        if response.status != 200:
            with closing(response):
                excerpt = await _excerpt(response, min(deadline, asyncio.get_running_loop().time() + USAGE_GRACE))
            raise _Refusal(response.status, response.headers, excerpt)
        return response


class _Refusal(Exception):
    """The server answered with another status than 200."""

    def __init__(self, status: int, headers: Mapping[str, str], excerpt: str) -> None:
        self.status = status
        self.headers = headers
        self.excerpt = excerpt
        super().__init__(status)


def _content_type(response: aiohttp.ClientResponse) -> str:
    """Return the body's content type and, though none is requested, its content coding, for the log."""
    kind = response.headers.get("content-type", "no content type").partition(";")[0]
    coding = response.headers.get("content-encoding", "").strip()
    return f"{kind} with the Content-Encoding {coding}" if coding else kind


async def _read_to_end(response: aiohttp.ClientResponse) -> None:
    """Wait for the end of the body after the last event, so that the connection can be reused."""
    try:
        async with asyncio.timeout(END_GRACE):
            await response.content.wait_eof()
    except (TimeoutError, aiohttp.ClientError) as error:
        logger.debug("the connection to the provider is not reused: %s", type(error).__name__)


def _connection_error(error: aiohttp.ClientError, decoder: AnswerDecoder) -> ServiceError:
    """Return the failure for an error of the connection, its framing or its content coding."""
    detail = f"{type(error).__name__}: {error}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ContentEncodingError):
            return UpstreamInvalid(detail)
        cause = cause.__cause__
    return decoder.connection_error(detail)


async def _excerpt(response: aiohttp.ClientResponse, deadline: float) -> str:
    """Read the beginning of a refusal's body, at most `REFUSAL_EXCERPT_BYTES` of it."""
    body = b""
    try:
        async with asyncio.timeout_at(deadline):
            while len(body) < REFUSAL_EXCERPT_BYTES and (data := await response.content.readany()):
                body += data
    except (TimeoutError, aiohttp.ClientError) as error:
        logger.debug("the body of a refusal could not be read to its end: %s", type(error).__name__)
    return body[:REFUSAL_EXCERPT_BYTES].decode(errors="replace")
