"""Ask a provider for an answer: messages in, an async iterator of events out, for any OpenAI-compatible server.

The openai package's stream is not used: see `completion_decoder.py` for what it makes of unusual responses.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import closing

import aiohttp

from ..concurrency.deadline import Deadline
from ..decoding.completion_decoder import CompletionDecoder
from ..errors import Overloaded, ServiceError, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from ..failures.mapping import failure_from_status
from ..observability.resources import NO_DESCRIPTORS, descriptors_short, exhausted_by
from ..runs.events import Accepted, Delta, Event, Offer
from ..settings.settings import Settings
from .aiohttp_internals import ContentEncodingError
from .message import Message
from .refused_parts import OF_ALL_MODELS, Part, part_refused
from .request import ProviderRequest
from .response_body import ResponseBody
from .transport import NotSent, Transport

logger = logging.getLogger("sluice.model")

# After the finish reason the answer is whole; only the usage is still to come. Two seconds are plenty for a
# server that sends it, and a server that does not must not spoil a whole answer.
USAGE_GRACE = 2.0
# Most servers send `[DONE]` and the end of the body in two writes, of which the second may wait 40 ms for our side's
# delayed acknowledgement of the first. It saves the next request a new connection, with TLS three round trips.
END_GRACE = 0.1
# Of a refusal's body; enough for any provider's message, and no server can fill our memory with it.
REFUSAL_EXCERPT_BYTES = 16_384
# What a model may send without text in it, such as pings, comments and empty deltas: so many bytes beyond one event
# of the largest size, and so many more for each second since the last text. A model that hides its reasoning sends
# an empty delta for each token of it: 250 bytes, at most 200 times a second.
WORDLESS_BYTES = 256 * 1024
WORDLESS_BYTES_PER_SECOND = 64 * 1024
# Idle connections are kept for as long as common front ends keep theirs; a stale one costs one retry.
KEEPALIVE_EXPIRY = 30.0


class ProviderClient:
    """One client and one connection pool for a process. Make and use it on the loop's thread only."""

    def __init__(self, settings: Settings, base_url: str) -> None:
        """Prepare the client; nothing is sent.

        Args:
            settings: Key, limits, time limits and proxies.
            base_url: Where the model answers; the demo model's own address where that answers.
        """
        self._settings = settings
        self._request = ProviderRequest.prepare(base_url, settings.provider.api_key)
        # What each model is known to refuse of a request; under "" what the provider does for all of them.
        self._left_out: defaultdict[str, frozenset[Part]] = defaultdict(frozenset)
        self._transport = Transport(
            # Never fewer connections than streams: a request that waits for a connection waits in silence.
            connections=settings.limits.max_streams,
            keepalive=KEEPALIVE_EXPIRY,
            connect_timeout=settings.limits.connect_timeout,
            proxy=settings.proxies.choose(base_url),
        )

    async def start_resolver(self) -> None:
        """Have the threads started that look up names, where any will be.

        libuv starts them with the first name, and aborts the process where it cannot.
        """
        if self._transport.looks_up_names(self._request.url):
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
        offer: Offer = lambda events: False,
    ) -> AsyncGenerator[Sequence[Event], None]:
        """Ask the model once and decode its answer.

        Args:
            messages: The whole conversation, oldest first.
            model: The model's name, as the provider knows it.
            first_token_deadline: On the loop's clock, in seconds.
            offer: Takes deltas past this generator and those above it, or says that it does not: then they are
                yielded. The first ones are always yielded, and so is the end: those above must know of both.

        Yields:
            What each read brought, in lists that are never empty: first `[Accepted]`, then `Text` and `Reasoning`,
            in the end `[Finished]`.

        Raises:
            UpstreamError: Any failure, by its class; never after `Finished`.

        Cancelling or closing closes the connection to the model at once, before this returns.
        """
        now = asyncio.get_running_loop().time
        total_deadline = now() + self._settings.limits.total_timeout
        limit = min(first_token_deadline, total_deadline)
        response = await self._open(messages, model, limit)
        with closing(response):
            yield [Accepted()]
            limits = self._settings.limits
            decoder = CompletionDecoder(limits.max_event_bytes, limits.max_answer_chars, _content_type(response))
            body = ResponseBody(response)
            with closing(Deadline(limit)) as deadline:
                intake = _Intake(decoder, deadline, self._settings, total_deadline)
                while not decoder.state.has_ended:
                    failure: ServiceError | None = None
                    try:
                        deadline.waiting = True
                        await body.consume(intake.take)
                    except asyncio.CancelledError:
                        if not deadline.passed():
                            raise
                        intake.deltas += decoder.finish()
                        # Else only the usage is missing.
                        if not decoder.state.is_whole:
                            failure = UpstreamTimeout("no word within the time limit")
                    except aiohttp.ClientError as error:
                        # aiohttp's reader keeps it, and its traceback keeps the frames that keep the reader and the
                        # bridge: a circle of some 200 objects that only the collector could free.
                        error.__traceback__ = None
                        intake.deltas += decoder.finish()
                        if not decoder.state.is_whole:
                            failure = _broken_off(error, decoder)
                    finally:
                        deadline.waiting = False
                    if deltas := intake.deltas:
                        intake.deltas = []
                        yield deltas
                        intake.offer = offer
                    if failure is not None:
                        raise failure
                    # After the yield: the time in which a slow reader held us back is not the model's.
                    intake.move_limit()
                    # The timer ends a wait, and a model that is fast enough never lets this task wait.
                    is_late = now() >= deadline.at and not (decoder.state.has_ended or body.is_complete)
                    if is_late and (deltas := decoder.end_with(UpstreamTimeout("no end within the time limit"))):
                        yield deltas
            finished = decoder.result()
            if decoder.state.has_ended and response.content.exception() is None:
                await _read_to_end(response)
        yield [finished]

    async def _open(self, messages: Sequence[Message], model: str, deadline: float) -> aiohttp.ClientResponse:
        """Ask, and ask again at once without what the server refuses of the request; each part is refused once."""
        left_out = self._left_out[""] | self._left_out[model]
        while True:
            try:
                return await self._post(messages, model, left_out, deadline)
            except _RefusedError as refusal:
                part = part_refused(refusal.status, refusal.excerpt, left_out)
                if part is None or not self._request.has(part, messages):
                    raise failure_from_status(refusal.status, refusal.headers, refusal.excerpt) from None
            left_out |= {part}
            of = "" if part in OF_ALL_MODELS else model
            if part not in self._left_out[of]:
                self._left_out[of] |= {part}
                whose = f"the model {model}" if of else "the provider"
                logger.warning("%s refuses %s: from now on requests go without", whose, part.value)

    async def _post(
        self, messages: Sequence[Message], model: str, left_out: frozenset[Part], deadline: float
    ) -> aiohttp.ClientResponse:
        request = self._request
        headers = request.headers_without(left_out)
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._transport.post(request.url, headers, request.body(messages, model, left_out))
        except TimeoutError:
            raise UpstreamTimeout("no answer within the first-token limit") from None
        except NotSent as error:
            # The name of a host cannot be looked up without a descriptor either, and that error does not say so.
            if (lacking := exhausted_by(error)) is not None or descriptors_short():
                raise Overloaded(f"{lacking or NO_DESCRIPTORS}: {error}") from error
            raise UpstreamUnavailable(str(error)) from error
        except (aiohttp.ClientError, UnicodeError) as error:
            # A reply that is not HTTP, or whose status line is not ASCII.
            raise UpstreamInvalid(f"{type(error).__name__}: {error}") from error
        # With 200 the body's first bytes decide what it is: content types are not to be relied on.
        if response.status != 200:
            with closing(response):
                excerpt = await _excerpt(response, min(deadline, asyncio.get_running_loop().time() + USAGE_GRACE))
            raise _RefusedError(response.status, response.headers, excerpt)
        return response


class _RefusedError(Exception):
    """The server answered with another status than 200."""

    def __init__(self, status: int, headers: Mapping[str, str], excerpt: str) -> None:
        self.status = status
        self.headers = headers
        self.excerpt = excerpt
        super().__init__(status)


class _Intake:
    """Decodes what has come, and passes deltas on while nobody has to know more of them."""

    def __init__(
        self, decoder: CompletionDecoder, deadline: Deadline, settings: Settings, total_deadline: float
    ) -> None:
        self._decoder = decoder
        self._state = decoder.state
        self._deadline = deadline
        self._next_token_timeout = settings.limits.next_token_timeout
        self._total_deadline = total_deadline
        self._now = asyncio.get_running_loop().time
        self._most_wordless = WORDLESS_BYTES + settings.limits.max_event_bytes
        #: Bytes since the last word, and the moment of that word, or of the beginning.
        self._wordless = 0
        self._word_at = self._now()
        #: What has to be yielded.
        self.deltas: list[Delta] = []
        #: Takes deltas, or does not.
        self.offer: Offer | None = None

    def take(self, piece: bytes) -> bool:
        """Take the next bytes of the body, or `b""` at its end; say whether there is nothing else to do for them.

        Raises:
            UpstreamError: They are not of a chat stream.
        """
        decoder, state = self._decoder, self._state
        deltas = decoder.feed(piece) if piece else decoder.finish()
        if state.has_progressed:
            self._wordless = 0
        elif not state.is_whole:
            deltas += self._refuse_wordless(len(piece))
        if state.is_ending or state.has_ended or (deltas and (self.offer is None or not self.offer(deltas))):
            self.deltas = deltas
            # Else a limit that passes before the task has its turn would take from it what it has waited for.
            self._deadline.waiting = False
            return False
        self.move_limit()
        return True

    def _refuse_wordless(self, size: int) -> list[Delta]:
        """End the answer where too much came without a word; return what was held back of it."""
        self._wordless += size
        if self._wordless <= self._most_wordless:
            return []
        seconds = self._now() - self._word_at
        if self._wordless <= self._most_wordless + WORDLESS_BYTES_PER_SECOND * seconds:
            return []
        return self._decoder.end_with(
            UpstreamInvalid(f"{self._wordless} bytes in {seconds:.1f} s without a word of the answer")
        )

    def move_limit(self) -> None:
        """Give the model its time for what is to come next, counted from now."""
        deadline = self._deadline
        if self._state.is_ending:
            deadline.sooner(self._now() + USAGE_GRACE)
        elif self._state.has_progressed:
            self._word_at = now = self._now()
            limit = now + self._next_token_timeout
            if limit > self._total_deadline:
                limit = self._total_deadline
            if limit < deadline.at:  # the first word: its own limit is a longer one
                deadline.sooner(limit)
            else:
                deadline.at = limit


def _content_type(response: aiohttp.ClientResponse) -> str:
    """Say for the log what the provider calls its body, and how it encoded it though nothing was asked for."""
    kind = response.headers.get("content-type", "no content type").partition(";")[0]
    coding = response.headers.get("content-encoding", "").strip()
    return f"{kind} with the Content-Encoding {coding}" if coding else kind


async def _read_to_end(response: aiohttp.ClientResponse) -> None:
    """Wait for the end of a body behind the last event of a whole answer: then its connection can be used again."""
    try:
        async with asyncio.timeout(END_GRACE):
            await response.content.wait_eof()
    except (TimeoutError, aiohttp.ClientError) as error:
        logger.debug("a connection is not kept: %s", type(error).__name__)


def _broken_off(error: aiohttp.ClientError, decoder: CompletionDecoder) -> ServiceError:
    detail = f"{type(error).__name__}: {error}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ContentEncodingError):
            return UpstreamInvalid(detail)
        cause = cause.__cause__
    return decoder.connection_error(detail)


async def _excerpt(response: aiohttp.ClientResponse, deadline: float) -> str:
    """Read the beginning of a refusal's body, for the log: no more, however long it is."""
    body = b""
    try:
        async with asyncio.timeout_at(deadline):
            while len(body) < REFUSAL_EXCERPT_BYTES and (piece := await response.content.readany()):
                body += piece
    except (TimeoutError, aiohttp.ClientError) as error:
        logger.debug("a refusal's body broke off: %s", type(error).__name__)
    return body[:REFUSAL_EXCERPT_BYTES].decode(errors="replace")
