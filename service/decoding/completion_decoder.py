"""Bytes of a chat-completions answer -> events, and in the end a verdict. No I/O, no clock.

What the openai package's own stream does in odd cases was measured (3.54): it takes a 200 with HTML, an empty body
and an end without a finish reason for a normal end, and raises errors outside its own tree for pings without data
and broken JSON. Each of these has an answer here: docs/reference/providers.md lists them, docs/decisions/ 8 and 38 to
40 say why.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from ..errors import AnswerTooLarge, UpstreamError, UpstreamInvalid, UpstreamTruncated, UpstreamUnavailable
from ..failures.mapping import failure_from_event, failure_in
from ..runs.events import Finished, Reasoning, Text, Word
from ..runs.usage import usage_from
from .chunk_contents import UnreadableChunk, finish_reason_of, read_chunk
from .json_body import JsonBodyDecoder
from .sse_decoder import EventStreamDecoder, EventTooLarge
from .think_tags import ThinkTagSplitter

logger = logging.getLogger("sluice.model")

# Why an answer ended, where `[DONE]` came and the provider gave no reason.
REASON_UNKNOWN = "unknown"
# With these the provider says that it failed: Mistral, OpenRouter, vLLM; DeepSeek; Zhipu; vLLM and SGLang.
_FAILURES = frozenset((
    "error", "failed", "insufficient_system_resource", "network_error", "abort", "aborted", "cancelled", "canceled",
))  # fmt: skip
# Halves of characters (UTF-16 surrogates), of which some servers send one in each of two tokens.
_HALVES = re.compile("[\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"
_DONE = re.compile(rb'\s*"?\[?done\]?"?\s*', re.IGNORECASE)
# Data that is no JSON and says nothing: `ping`, `keep-alive`, a time. Broken JSON has quotes and braces.
_WORDS = re.compile(rb"[\w .:+-]{0,64}", re.ASCII)
# Of a body that is no answer, for the log.
_EXCERPT_BYTES = 512


# The plain shape of a chunk: what a token of a common provider needs. `chunk_contents.py` reads all others. msgspec
# skips the rest of a chunk without making objects of it. `gc=False`, as what comes from JSON has no circles: the
# collector would look through a million of them in vain.
class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None
    error: Any = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode
_decode_any = msgspec.json.Decoder().decode
# In the place of no delta, and of a chunk that is not of the plain shape.
_SILENT = _Delta()
_ODD = _Chunk()


class Answer:
    """What has been read of one answer: bytes in, events out, and in the end a verdict."""

    def __init__(
        self, max_event_bytes: int, max_chars: int = sys.maxsize, content_type: str = "text/event-stream"
    ) -> None:
        """Begin an answer.

        Args:
            max_event_bytes: The most bytes of a single event, or of a whole answer that is one JSON object.
            max_chars: The most characters of text and reasoning together; what is more ends the answer.
            content_type: What the provider calls the body; only for the log, as not all tell the truth.
        """
        self._max_event_bytes = max_event_bytes
        self._max_chars = max_chars
        self._chars = 0
        self._content_type = content_type
        # Chosen by the first bytes; until then these are kept.
        self._decoder: EventStreamDecoder | JsonBodyDecoder | None = None
        self._opening = b""
        self._usage: Any = None
        self._chunks = 0
        self._bytes = 0
        self.finish_reason: str | None = None
        #: Whether the latest piece brought a word. Pings and comments do not count.
        self.progressed = False
        #: Whether nothing more is to be read.
        self.ended = False
        self._failure: UpstreamError | None = None
        # Whether anything has been said, and whether any of it was text.
        self._has_words = self._has_text = False
        # Whether the text came as `message`, in place of `delta`.
        self._by_message = False
        #: Whether only usage can be expected: a finish reason came by itself, behind the words. With words in the
        #: same chunk it may be one of those that come in every chunk. An attribute, as it is asked for each token.
        self.is_ending = False
        # Whether words came after a finish reason.
        self._reason_broken = False
        self._done = self._at_end = False
        self._has_failed_behind_its_end = False
        self._text_half = _HalfCharacter()
        self._thought_half = _HalfCharacter()
        self._think: ThinkTagSplitter | None = ThinkTagSplitter()

    @property
    def is_whole(self) -> bool:
        """Whether the answer is whole, even if its connection breaks now: what is still to come is not text.

        Not where words came after a finish reason: some servers put one into every chunk, and then it says nothing.
        Nor with `stop` before the first word, as some put it into their first chunk.
        """
        reason = self.finish_reason
        return reason is not None and not self._reason_broken and (self._has_words or reason.lower() != "stop")

    def feed(self, piece: bytes) -> list[Word]:
        """Read the next bytes and return the words that they completed.

        Raises:
            UpstreamError: They are not of a chat answer, and no word came before that in the same piece.
        """
        self._bytes += len(piece)
        self.progressed = False
        failure: UpstreamError | None = None
        words: list[Word] = []
        try:
            if self._decoder is None:
                piece = self._open(piece)
            datas = self._decoder.feed(piece) if self._decoder is not None else []
        except EventTooLarge as error:
            datas, failure = error.complete, UpstreamInvalid(str(error))
        try:
            self._read_events(datas, words)
        except UpstreamError as error:
            failure = error
        if failure is not None:
            self.ended = True
            # What came before the failure stays delivered; the failure is raised by `conclusion`.
            self._failure = None if self.is_whole else failure
        if self.ended:
            self._flush(words)
        for word in words:
            self._chars += len(word.text)
        if self._chars > self._max_chars:
            self._cut(words)
        if self._failure is not None and not words:
            raise self._failure
        return words

    def _cut(self, words: list[Word]) -> None:
        """Take from the end of the words what is too much, and end the answer."""
        too_much = self._chars - self._max_chars
        while words and too_much > 0:
            word = words.pop()
            if len(word.text) > too_much:
                words.append(type(word)(word.text[:-too_much], word.pieces))
            too_much -= len(word.text)
        self._chars = self._max_chars
        self._failure = AnswerTooLarge(f"more than {self._max_chars} characters of text and reasoning")
        self.ended = True

    def finish(self) -> list[Word]:
        """Read what the end of the bytes completes, and return what was held back. Again, it returns nothing.

        A last event without its blank line is read where it is whole, as openai's client for Node does: a gateway
        that forgets the line is more common than one that breaks off exactly there.
        """
        words: list[Word] = []
        if self.ended:
            return words
        self._at_end = True
        try:
            if self._decoder is not None:
                self._read_events(self._decoder.finish(), words)
                if not self.ended:
                    self._read_events(self._decoder.incomplete(), words)
        except EventTooLarge as error:
            self._failure = UpstreamInvalid(str(error))
        except UpstreamError as error:
            self._failure = error
        if self.is_whole:
            self._failure = None
        self.ended = True
        self._flush(words)
        self._chars += sum(len(word.text) for word in words)
        if self._chars > self._max_chars:
            self._cut(words)
        return words

    def end_with(self, failure: UpstreamError) -> list[Word]:
        """End the answer where it stands, with this failure unless it is whole; return what was held back of it."""
        words: list[Word] = []
        self._failure = None if self.is_whole else failure
        self.ended = True
        self._flush(words)
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
            return Finished(self.finish_reason, usage_from(self._usage))
        is_document = isinstance(self._decoder, JsonBodyDecoder) and self._decoder.is_document
        if self._has_text and (self._done or is_document):
            return Finished(REASON_UNKNOWN, usage_from(self._usage))
        if self._chunks == 0:
            if self._bytes == 0:
                raise UpstreamInvalid("the answer is empty")
            came = f"{self._content_type}: {_excerpt(self._opening)}"
            raise UpstreamInvalid(f"no chunk of a chat answer came, but {came}")
        raise UpstreamTruncated("the stream ended without a finish reason")

    def cut_off(self, detail: str) -> UpstreamError:
        """Name the failure of a connection that broke."""
        return UpstreamTruncated(detail) if self._bytes else UpstreamUnavailable(detail)

    def _open(self, piece: bytes) -> bytes:
        """Choose how to read the body, by its first bytes; return what is to be read.

        Not by its content type: event streams come as `application/json`, and JSON comes as `text/event-stream`.
        """
        opening = self._opening + piece
        if opening != _BOM and _BOM.startswith(opening):
            self._opening = opening
            return b""
        opening = opening.removeprefix(_BOM).lstrip(b" \t\r\n")
        self._opening = opening[:_EXCERPT_BYTES]
        if opening.startswith(b"<"):
            raise UpstreamInvalid(f"200 with {self._content_type} in place of an event stream: {_excerpt(opening)}")
        if opening.startswith((b"{", b"[")):
            self._decoder = JsonBodyDecoder(self._max_event_bytes)
        elif opening:
            self._decoder = EventStreamDecoder(self._max_event_bytes)
        return opening

    def _read_events(self, datas: Sequence[bytes], words: list[Word]) -> None:
        """Put the words of events into `words`, neighbours joined: further on, a word costs more than its text."""
        kind: type[Word] = Text
        texts: list[str] = []
        try:
            for data in datas:
                if not data:
                    continue
                try:
                    chunk = _decode(data)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    chunk = _ODD
                is_plain = False
                failed = chunk.error
                for choice in chunk.choices or ():
                    # One answer was asked for; a server that sends more must not have them mixed.
                    if choice.index != 0:
                        continue
                    delta = choice.delta or _SILENT
                    if thought := delta.reasoning_content or delta.reasoning:
                        is_plain = True
                        if kind is Text:
                            self._join(kind, texts, words)
                            kind = Reasoning
                        texts.append(thought)
                    # A refusal is the model's answer to the person, in another field.
                    if text := delta.content or delta.refusal:
                        is_plain = True
                        if kind is Reasoning:
                            self._join(kind, texts, words)
                            kind = Text
                        texts.append(text)
                    if is_plain and (choice.finish_reason or self.finish_reason is not None or choice.error):
                        failed = failed or choice.error
                        self._note_reason(None if failed else choice.finish_reason, with_words=True)
                if is_plain:
                    self._chunks += 1
                    if type(chunk.usage) is dict:
                        self._usage = chunk.usage
                    if failed:
                        self._fail(failure_from_event(failed))
                else:
                    # Not more than one in an answer, or a few, of a common provider: its first and its last chunks.
                    self._join(kind, texts, words)
                    self._read_odd(data, words)
                    if self.ended:
                        return
        finally:
            self._join(kind, texts, words)

    def _read_odd(self, data: bytes, words: list[Word]) -> None:
        """Read an event that is not of the plain shape."""
        try:
            value = _loads(data)
        except (ValueError, RecursionError) as error:
            if _DONE.fullmatch(data) or data.startswith(b"[DONE]"):
                self._done = self.ended = True
            elif data[:5].lower() == b"error":
                self._fail(failure_from_event(data.decode(errors="replace")))
            elif not (self._at_end or _WORDS.fullmatch(data)):
                self._fail(UpstreamInvalid(f"a broken event: {type(error).__name__}: {error}"))
            return
        if isinstance(value, str) and _DONE.fullmatch(data):
            self._done = self.ended = True
        # What is neither an object nor a list of them says nothing: `null`, a number, a text.
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                self._read_value(item, words)

    def _read_value(self, value: dict[str, Any], words: list[Word]) -> None:
        try:
            contents = read_chunk(value, may_be_message=self._by_message or not self._has_words)
        except UnreadableChunk as error:
            self._fail(UpstreamInvalid(f"a broken event: {error}"))
            return
        self._chunks += contents.has_choices
        if isinstance(contents.usage, dict):
            self._usage = contents.usage
        for is_reasoning, text in contents.parts:
            self._join(Reasoning if is_reasoning else Text, [text], words)
        self._by_message = self._by_message or contents.is_message
        # Before the finish reason, which may only say that there is an error.
        if contents.error or not contents.has_choices:
            self._fail(self._failure_in(value, contents.error))
        if contents.finish_reason or contents.parts:
            self._note_reason(contents.finish_reason, with_words=bool(contents.parts))

    def _failure_in(self, value: dict[str, Any], error: Any) -> UpstreamError | None:
        """Find the failure in a chunk that has an error, or no choices."""
        if not isinstance(self._decoder, JsonBodyDecoder):
            return failure_in(value) or (failure_from_event(error) if error else None)
        where = f"in a 200 with {self._content_type} in place of an event stream"
        failure = failure_in(value, where) or (failure_from_event(error, where) if error else None)
        # Nothing is known of it but that it is no answer.
        is_unknown = type(failure) is UpstreamUnavailable and not self._has_words
        return UpstreamInvalid(failure.detail) if failure is not None and is_unknown else failure

    def _note_reason(self, reason: str | None, *, with_words: bool) -> None:
        """Take note of a chunk's finish reason, if it has one, or of words that came after one.

        Raises:
            UpstreamError: The reason is a failure.
        """
        if with_words and self.finish_reason is not None:
            self._reason_broken = True
            self.is_ending = False
        reason = finish_reason_of(reason)
        if reason is None:
            return
        if reason.lower() in _FAILURES:
            self._fail(UpstreamUnavailable(f"the provider ended the answer with the finish reason {reason!r}"))
            return
        self.finish_reason = reason
        self.is_ending = self.is_whole and not with_words

    def _fail(self, failure: UpstreamError | None) -> None:
        """Raise the failure, if there is one, unless the answer is whole: nothing behind its end may spoil it."""
        if failure is None:
            return
        if not self.is_whole:
            raise failure
        # Once: there may be as many as fit into the time in which usage is waited for.
        if not self._has_failed_behind_its_end:
            self._has_failed_behind_its_end = True
            logger.info("behind the end of a whole answer: %s", failure.detail)

    def _join(self, kind: type[Word], texts: list[str], words: list[Word]) -> None:
        """Make one word of texts that came one after the other, and empty their list."""
        if not texts:
            return
        self.progressed = self._has_words = True
        pieces = len(texts)
        text = texts[0] if pieces == 1 else "".join(texts)
        half = self._text_half if kind is Text else self._thought_half
        if half.held or not (text.isascii() or _HALVES.search(text) is None):
            text = half.join(text)
        if kind is Text and self._think is not None:
            self._split(self._think.split(text), words, pieces)
            if self._think.is_settled:
                self._think = None
        elif text:
            words.append(kind(text, pieces))
        texts.clear()

    def _split(self, parts: list[tuple[bool, str]], words: list[Word], pieces: int) -> None:
        for is_reasoning, text in parts:
            words.append(Reasoning(text, pieces) if is_reasoning else Text(text, pieces))
            self._has_text = self._has_text or not is_reasoning
            pieces = 1

    def _flush(self, words: list[Word]) -> None:
        """Say at the end what was held back for a rest that did not come. It is passed on as it came."""
        halves = self._text_half.rest()
        if self._think is not None:
            for half in halves:
                self._split(self._think.split(half), words, 1)
            self._split(self._think.finish(), words, 1)
        else:
            words.extend(Text(half) for half in halves)
        words.extend(Reasoning(half) for half in self._thought_half.rest())


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


def _integer(digits: str) -> int | float:
    # Python refuses to make an integer of thousands of digits: an absurd count must not spoil a whole chunk.
    return int(digits) if len(digits) < 20 else float(digits)


def _loads(data: bytes) -> Any:
    """Decode any JSON, what msgspec refuses too: half of a surrogate pair, escaped; NaN among the numbers."""
    try:
        return _decode_any(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return json.loads(data, parse_int=_integer)


def _excerpt(data: bytes) -> str:
    """Return the beginning of a body for the log, not cut inside a word: half a key would not be recognised there."""
    if len(data) >= _EXCERPT_BYTES:
        data = re.sub(rb"[^\s\"',:{}\[\]]*\Z", b"", data[:_EXCERPT_BYTES])
    return data.decode(errors="replace")
