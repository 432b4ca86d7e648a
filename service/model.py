"""Messages -> an async iterator of events, from any OpenAI-compatible server.

The only importer of `openai` (and of `httpx2`, the HTTP library whose responses and errors it hands out). Every
failure is mapped into `errors.py` here and nowhere else; a provider's words go into `detail`, for the log.

The bytes are decoded here and not by the client, whose stream was seen to take a 200 with HTML, an empty body
and an end without a finish reason for a normal end, and to raise errors outside its own tree for pings without
data and broken JSON (openai 3.54).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any, Literal, TypedDict
from urllib.parse import urlsplit

import httpx2
import msgspec
from openai import APIConnectionError, AsyncOpenAI, AsyncStream, DefaultAioHttpClient, OpenAIError

from .errors import (
    ServiceError,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from .event_stream import EventStreamDecoder, EventTooLarge
from .events import Accepted, Event, Finished, Reasoning, Text
from .settings import OPENAI_BASE_URL, Settings
from .usage import Usage

logger = logging.getLogger("sluice.model")

# After the finish reason the answer is whole; only the usage is still to come. Two seconds are plenty for a
# server that sends it, and a server that does not must not spoil a whole answer.
USAGE_GRACE = 2.0
# Of a refusal's body; enough for any provider's message, and no server can fill our memory with it.
REFUSAL_EXCERPT_BYTES = 4096
# A provider's own wish is passed on, but no more than an hour of it.
RETRY_AFTER_MOST = 3600.0
# Where a provider limits requests without saying for how long.
RETRY_AFTER_UNKNOWN = 5.0
# Idle connections are kept for as long as common front ends keep theirs; a stale one costs one retry.
KEEPALIVE_EXPIRY = 30.0


class Message(TypedDict):
    """One turn of a conversation, as the provider takes it."""

    role: Literal["system", "user", "assistant"]
    content: str


# Only the fields that are needed: msgspec skips the rest of a chunk without making objects of it.
class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    total_tokens: int | None = 0


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_chunk_decoder = msgspec.json.Decoder(_Chunk)


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
        answer = _Answer(self._settings.max_event_bytes)
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
                    raise answer.cut_off(error) from error
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
        assert isinstance(response, httpx2.Response)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("text/html", "application/json"):
            async with aclosing(response):
                excerpt = await _excerpt(response, deadline)
            raise UpstreamInvalid(f"200 with {kind} in place of an event stream: {excerpt}")
        return response


class _Answer:
    """What has been read of one answer: bytes in, events out, and in the end a verdict. No I/O."""

    def __init__(self, max_event_bytes: int) -> None:
        self._decoder = EventStreamDecoder(max_event_bytes)
        self._usage: Usage | None = None
        self._chunks = 0
        self._bytes = 0
        self.finish_reason: str | None = None
        #: Whether the latest piece brought a word. Pings and comments do not count.
        self.progressed = False
        #: Whether nothing more is to be read.
        self.ended = False
        self._failure: UpstreamError | None = None
        self._text_half = _HalfCharacter()
        self._thought_half = _HalfCharacter()

    def feed(self, piece: bytes) -> list[Event]:
        self._bytes += len(piece)
        self.progressed = False
        try:
            datas = self._decoder.feed(piece)
        except EventTooLarge as error:
            raise UpstreamInvalid(str(error)) from None
        events: list[Event] = []
        try:
            for data in datas:
                self._read_event(data, events)
        except UpstreamError as error:
            if not events:
                raise
            # What came before the failure stays delivered; the failure is raised by `conclusion`.
            self._failure = error
            self.ended = True
        return events

    def finish(self) -> list[Event]:
        """Read what the end of the bytes completes: a last CR was held back for an LF that did not come."""
        events: list[Event] = []
        for data in self._decoder.finish():
            self._read_event(data, events)
        self.ended = True
        return events

    def conclusion(self) -> Event:
        """Judge the answer at its end."""
        if self._failure is not None:
            raise self._failure
        if self.finish_reason is not None:
            return Finished(self.finish_reason, self._usage)
        if self._chunks == 0:
            raise UpstreamInvalid("the answer is empty" if self._bytes == 0 else "no chunk of a chat answer came")
        raise UpstreamTruncated("the stream ended without a finish reason")

    def cut_off(self, error: Exception) -> UpstreamError:
        """Name the failure of a connection that broke."""
        detail = f"{type(error).__name__}: {error}"
        if isinstance(error, httpx2.DecodingError):
            return UpstreamInvalid(detail)
        return UpstreamTruncated(detail) if self._bytes else UpstreamUnavailable(detail)

    def _read_event(self, data: bytes, events: list[Event]) -> None:
        if self.ended:
            return
        if data.startswith(b"[DONE]"):
            self.ended = True
            return
        chunk = _decode_chunk(data)
        if chunk.error:
            raise _error_event(chunk.error)
        if chunk.usage is not None:
            usage = chunk.usage
            self._usage = Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0, usage.total_tokens or 0)
        if chunk.choices is None:
            return
        self._chunks += 1
        for choice in chunk.choices:
            # One answer was asked for; a server that sends more must not have them mixed.
            if choice.index != 0:
                continue
            delta = choice.delta
            if delta is not None:
                thought = delta.reasoning_content or delta.reasoning
                if thought:
                    self.progressed = True
                    if thought := self._thought_half.join(thought):
                        events.append(Reasoning(thought))
                # A refusal is the model's answer to the person, in another field.
                text = delta.content or delta.refusal
                if text:
                    self.progressed = True
                    if text := self._text_half.join(text):
                        events.append(Text(text))
            # Some servers send "" with every chunk.
            if choice.finish_reason:
                self.finish_reason = choice.finish_reason
                # A half that nothing follows was alone in the model's own text: it is passed on as it came.
                events.extend(Text(half) for half in self._text_half.rest())


class _HalfCharacter:
    """Joins a character whose two halves (UTF-16 surrogates) came in two tokens, as some servers cut emoji."""

    def __init__(self) -> None:
        self._half = ""

    def join(self, text: str) -> str:
        """Return `text` with the half held back before it; hold back a first half at its end."""
        if not self._half and not "\ud800" <= text[-1] <= "\udbff":
            return text
        text = (self._half + text).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        return text[: len(text) - len(self._half)]

    def rest(self) -> list[str]:
        """Return the half that is still held back, if there is one."""
        half, self._half = self._half, ""
        return [half] if half else []


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


def _decode_chunk(data: bytes) -> _Chunk:
    try:
        return _chunk_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    # The slow way, for what msgspec refuses and providers send: half of a surrogate pair as an escape (an emoji
    # cut between two tokens), NaN among the log probabilities.
    try:
        return msgspec.convert(json.loads(data), _Chunk)
    except (ValueError, RecursionError) as error:
        raise UpstreamInvalid(f"a broken event: {type(error).__name__}: {error}") from None


def _error_event(error: Any) -> UpstreamError:
    """Map an error that came inside a stream. Providers put a status, a word or nothing into its code."""
    detail = f"an error inside the stream: {error!r}"
    fields = error if isinstance(error, dict) else {}
    words = {str(fields.get(name) or "").lower() for name in ("code", "type", "status")}
    if "429" in words or any("rate_limit" in word or "quota" in word for word in words):
        return UpstreamRateLimited(detail, retry_after=RETRY_AFTER_UNKNOWN)
    if any((word.startswith("4") and word.isdigit()) or "invalid_request" in word for word in words):
        return UpstreamRejected(detail)
    return UpstreamUnavailable(detail)


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
