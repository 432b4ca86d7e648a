"""What a scripted model does on one response, step by step; a script is a sequence of steps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from tools.common.scripted_model import Wire

MODEL_NAME: Final = "scripted"
EVENT_STREAM: Final = (("Content-Type", "text/event-stream; charset=utf-8"),)

# Tokens written at once by an unpaced flood: large enough to outrun any reader, small enough that
# `tokens_sent` stays close to what has left.
FLOOD_BATCH: Final = 64

# The shortest sleep of a paced flood. Faster paces send the tokens that are due together, so that a hundred
# streams cost a hundred wake-ups per tick and not one per token.
FLOOD_TICK: Final = 0.01


class Step(Protocol):
    """One thing that a script does; a test may write its own."""

    async def play(self, wire: Wire) -> None:
        """Do it on this response. Runs on the model's loop and is cancelled when the client disconnects."""


Script: TypeAlias = Sequence[Step]


@dataclass(frozen=True, slots=True)
class Headers:
    """Send the status line and headers.

    Args:
        status: The HTTP status.
        fields: The headers, in order, as they are.
        chunked: Whether the body uses chunked transfer encoding. Without it the body goes out as it is: as
            long as the Content-Length given in `fields`, or else until the connection closes.
    """

    status: int = 200
    fields: tuple[tuple[str, str], ...] = EVENT_STREAM
    chunked: bool = True

    async def play(self, wire: Wire) -> None:
        await wire.send_headers(self.status, self.fields, chunked=self.chunked)


@dataclass(frozen=True, slots=True)
class Send:
    """Send bytes of the body, as one chunk where the body is chunked."""

    data: bytes
    tokens: int = 0

    async def play(self, wire: Wire) -> None:
        await wire.send_body(self.data, tokens=self.tokens)


@dataclass(frozen=True, slots=True)
class SendOnWire:
    """Send bytes that no framing touches; without `Headers` before them they are the very first of the response."""

    data: bytes

    async def play(self, wire: Wire) -> None:
        await wire.send_on_wire(self.data)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Send one chat chunk. It counts as a token where it has text or reasoning.

    Args:
        content: The text of the delta.
        reasoning: Reasoning text, under `reasoning_key`.
        reasoning_key: How this provider names it: ``reasoning_content`` or ``reasoning``.
        finish_reason: Why the reply ends.
        usage: Token counts. Alone they travel as the protocol has it: in a chunk without choices.
        role: The role that the first delta announces.
        tool_calls: Parts of calls of tools.
    """

    content: str | None = None
    reasoning: str | None = None
    reasoning_key: str = "reasoning_content"
    finish_reason: str | None = None
    usage: Mapping[str, int] | None = None
    role: str | None = None
    tool_calls: tuple[Mapping[str, Any], ...] = ()

    async def play(self, wire: Wire) -> None:
        await wire.send_body(self.encode(), tokens=1 if self.content or self.reasoning else 0)

    def encode(self) -> bytes:
        """Return the chunk as one server-sent event."""
        delta: dict[str, Any] = {}
        if self.role is not None:
            delta["role"] = self.role
        if self.content is not None:
            delta["content"] = self.content
        if self.reasoning is not None:
            delta[self.reasoning_key] = self.reasoning
        if self.tool_calls:
            delta["tool_calls"] = list(self.tool_calls)
        choices: list[dict[str, Any]] = []
        if delta or self.finish_reason is not None or self.usage is None:
            choices = [{"index": 0, "delta": delta, "finish_reason": self.finish_reason}]
        payload: dict[str, Any] = {
            "id": "chatcmpl-scripted",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": MODEL_NAME,
            "choices": choices,
        }
        if self.usage is not None:
            payload["usage"] = dict(self.usage)
        try:
            text = json.dumps(payload, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            # A lone surrogate has no UTF-8 form: only an escape can carry it.
            text = json.dumps(payload).encode()
        return b"data: " + text + b"\n\n"


@dataclass(frozen=True, slots=True)
class CallTools:
    """Send calls of tools as OpenAI does: the id and the name of each, then its arguments in two chunks.

    Args:
        calls: For each its id, its name and its arguments, which need not be JSON.
    """

    calls: tuple[tuple[str, str, str], ...]

    async def play(self, wire: Wire) -> None:
        for part in self.parts():
            await wire.send_body(Chunk(tool_calls=(part,)).encode())

    def parts(self) -> list[dict[str, Any]]:
        """Return what the chunks have as `tool_calls`, one for each."""
        parts: list[dict[str, Any]] = []
        for index, (call_id, name, arguments) in enumerate(self.calls):
            function = {"name": name, "arguments": ""}
            parts.append({"index": index, "id": call_id, "type": "function", "function": function})
            middle = len(arguments) // 2
            parts += [{"index": index, "function": {"arguments": arguments[:middle]}}] if middle else []
            parts.append({"index": index, "function": {"arguments": arguments[middle:]}})
        return parts


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for some seconds: the pace of a model."""

    seconds: float

    async def play(self, wire: Wire) -> None:
        await asyncio.sleep(self.seconds)


@dataclass(frozen=True, slots=True)
class Stall:
    """Send nothing more until the client disconnects or the model closes."""

    async def play(self, wire: Wire) -> None:
        await asyncio.get_running_loop().create_future()


@dataclass(frozen=True, slots=True)
class ByteByByte:
    """Send bytes of the body one per packet; where the body is chunked, all of them are one chunk.

    Args:
        data: What to send.
        pause: Seconds between bytes. Zero only lets the loop turn, so a busy reader may find some bytes
            together.
    """

    data: bytes
    pause: float = 0.0

    async def play(self, wire: Wire) -> None:
        await wire.send_byte_by_byte(self.data, self.pause)


@dataclass(frozen=True, slots=True)
class Flood:
    """Send many tokens, each an event of its own: as fast as the client takes them, or at a pace.

    Args:
        tokens: How many. Their text is `flood_text(tokens)`.
        tokens_per_second: The pace, kept by the clock: after being held back it catches up. None is no limit.
    """

    tokens: int
    tokens_per_second: float | None = None

    async def play(self, wire: Wire) -> None:
        # Encoding the surroundings of a token once keeps a fast flood cheaper than its reader.
        before, after = Chunk("@").encode().split(b"@")
        loop = asyncio.get_running_loop()
        began = loop.time()
        sent = 0
        while sent < self.tokens:
            due = self.tokens
            if self.tokens_per_second is not None:
                due = min(due, int((loop.time() - began) * self.tokens_per_second) + 1)
            upto = min(due, sent + FLOOD_BATCH)
            if upto > sent:
                batch = b"".join(before + b" %d" % number + after for number in range(sent, upto))
                await wire.send_body(batch, tokens=upto - sent)
                sent = upto
            if sent < due:
                await asyncio.sleep(0)
            elif sent < self.tokens:
                await asyncio.sleep(max(FLOOD_TICK, 1 / self.tokens_per_second) if self.tokens_per_second else 0)


@dataclass(frozen=True, slots=True)
class Reset:
    """Cut the connection with a TCP reset (RST)."""

    async def play(self, wire: Wire) -> None:
        wire.reset()


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection (FIN) where it stands, however much of the response is missing."""

    async def play(self, wire: Wire) -> None:
        await wire.close()


@dataclass(frozen=True, slots=True)
class End:
    """End the response properly; the connection stays open for the next request where HTTP allows it."""

    async def play(self, wire: Wire) -> None:
        await wire.end()


DONE: Final = Send(b"data: [DONE]\n\n")
