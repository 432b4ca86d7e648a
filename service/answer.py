"""Bytes of a chat-completions stream -> events, and in the end a verdict. Pure: no I/O, no clock.

What the openai package's own stream does in odd cases was measured (3.54): it takes a 200 with HTML, an empty body
and an end without a finish reason for a normal end, and raises errors outside its own tree for pings without data
and broken JSON. Each of these has an answer here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from .errors import UpstreamError, UpstreamInvalid, UpstreamTruncated, UpstreamUnavailable
from .event_stream import EventStreamDecoder, EventTooLarge
from .events import Finished, Reasoning, Text, Word
from .provider_errors import failure_from_event, failure_in_data
from .usage import Usage

# Counts above it are no counts: the metrics' floats could not hold them.
MOST_TOKENS = 2**53
# Halves of characters (UTF-16 surrogates), of which some servers send one in each of two tokens.
_HALVES = re.compile("[\ud800-\udfff]")


# Only the fields that are needed: msgspec skips the rest of a chunk without making objects of it. `gc=False`, as what
# comes from JSON has no circles: the collector would look through a million of them in vain.
class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    total_tokens: int | None = 0


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode
# In the place of no delta.
_SILENT = _Delta()


class Answer:
    """What has been read of one answer: bytes in, events out, and in the end a verdict."""

    def __init__(self, max_event_bytes: int) -> None:
        """Begin an answer, whose single events may take at most that many bytes."""
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

    def feed(self, piece: bytes) -> list[Word]:
        """Read the next bytes and return the words that they completed.

        Raises:
            UpstreamError: They are not of a chat stream, and no word came before that in the same piece.
        """
        self._bytes += len(piece)
        self.progressed = False
        failure: UpstreamError | None = None
        try:
            datas = self._decoder.feed(piece)
        except EventTooLarge as error:
            datas, failure = error.complete, UpstreamInvalid(str(error))
        words: list[Word] = []
        try:
            self._read_events(datas, words)
        except UpstreamError as error:
            failure = error
        if failure is not None:
            if not words:
                raise failure
            # What came before the failure stays delivered; the failure is raised by `conclusion`.
            self._failure = failure
            self.ended = True
        return words

    def finish(self) -> list[Word]:
        """Read what the end of the bytes completes: a last CR was held back for an LF that did not come."""
        words: list[Word] = []
        self._read_events(self._decoder.finish(), words)
        self.ended = True
        return words

    def conclusion(self) -> Finished:
        """Judge the answer at its end.

        Returns:
            `Finished`, where it is whole.

        Raises:
            UpstreamError: It is not.
        """
        if self._failure is not None:
            raise self._failure
        if self.finish_reason is not None:
            return Finished(self.finish_reason, self._usage)
        if self._chunks == 0:
            raise UpstreamInvalid("the answer is empty" if self._bytes == 0 else "no chunk of a chat answer came")
        raise UpstreamTruncated("the stream ended without a finish reason")

    def cut_off(self, detail: str) -> UpstreamError:
        """Name the failure of a connection that broke."""
        return UpstreamTruncated(detail) if self._bytes else UpstreamUnavailable(detail)

    def _read_events(self, datas: Sequence[bytes], words: list[Word]) -> None:
        """Put the words of events into `words`, neighbours joined: further on, a word costs more than its text."""
        kind: type[Word] = Text
        texts: list[str] = []
        try:
            for data in datas:
                try:
                    chunk = _decode(data)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    # Here, because it is no JSON: asking each event for it would cost as much as its split.
                    if data.startswith(b"[DONE]"):
                        self.ended = True
                        return
                    chunk = _decode_slowly(data)
                if chunk.error:
                    raise failure_from_event(chunk.error)
                if chunk.usage is not None:
                    self._usage = _usage_said(chunk.usage)
                if chunk.choices is None:
                    if chunk.usage is None and (failure := failure_in_data(data)) is not None:
                        raise failure
                    continue
                self._chunks += 1
                for choice in chunk.choices:
                    # One answer was asked for; a server that sends more must not have them mixed.
                    if choice.index != 0:
                        continue
                    delta = choice.delta or _SILENT
                    if thought := delta.reasoning_content or delta.reasoning:
                        if kind is Text:
                            self._join(kind, texts, words)
                            kind = Reasoning
                        texts.append(thought)
                    # A refusal is the model's answer to the person, in another field.
                    if text := delta.content or delta.refusal:
                        if kind is Reasoning:
                            self._join(kind, texts, words)
                            kind = Text
                        texts.append(text)
                    # Some servers send "" with every chunk.
                    if choice.finish_reason:
                        self.finish_reason = choice.finish_reason
                        self._join(kind, texts, words)
                        # A half that nothing follows was alone in the model's own text: it is passed on as it came.
                        words.extend(Text(half) for half in self._text_half.rest())
        finally:
            self._join(kind, texts, words)

    def _join(self, kind: type[Word], texts: list[str], words: list[Word]) -> None:
        """Make one word of texts that came one after the other, and empty their list."""
        if not texts:
            return
        self.progressed = True
        text = texts[0] if len(texts) == 1 else "".join(texts)
        half = self._text_half if kind is Text else self._thought_half
        if half.held or not (text.isascii() or _HALVES.search(text) is None):
            text = half.join(text)
        if text:
            words.append(kind(text, len(texts)))
        texts.clear()


class _HalfCharacter:
    """Joins a character whose two halves (UTF-16 surrogates) came in two tokens, as some servers cut emoji."""

    def __init__(self) -> None:
        #: The half that is held back; empty, nearly always.
        self.held = ""

    def join(self, text: str) -> str:
        """Return `text` behind the half held back, with halves made whole; hold back a first half at its end."""
        text = (self.held + text).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        self.held = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        return text[: len(text) - len(self.held)]

    def rest(self) -> list[str]:
        """Return the half that is still held back, if there is one."""
        half, self.held = self.held, ""
        return [half] if half else []


def _usage_said(said: _Usage) -> Usage | None:
    """Take the provider's counts, or nothing where they are absurd: that must not spoil a whole answer."""
    usage = Usage(said.prompt_tokens or 0, said.completion_tokens or 0, said.total_tokens or 0)
    counts = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    return usage if all(0 <= count <= MOST_TOKENS for count in counts) else None


def _decode_slowly(data: bytes) -> _Chunk:
    """Decode what msgspec refuses and providers send: half of a surrogate pair, escaped; NaN among the numbers."""
    try:
        return msgspec.convert(json.loads(data), _Chunk)
    except (ValueError, RecursionError) as error:
        # Gemini's errors come in an array.
        if data.startswith(b"[") and (failure := failure_in_data(data)) is not None:
            raise failure from None
        raise UpstreamInvalid(f"a broken event: {type(error).__name__}: {error}") from None
