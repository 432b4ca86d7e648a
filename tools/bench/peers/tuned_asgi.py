"""A hand-tuned ASGI application: no framework, aiohttp's raw bytes, one decode and one write for each read."""

from __future__ import annotations

import gc
import os
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec

from tools.bench.peers.frames import OPENING

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Asked(msgspec.Struct):
    message: str


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None


_asked = msgspec.json.Decoder(_Asked)
_one = msgspec.json.Decoder(_Chunk)
_many = msgspec.json.Decoder(list[_Chunk])
_encode = msgspec.json.Encoder().encode

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store, no-transform"),
        (b"x-accel-buffering", b"no"),
    ],
}
_OPENING = {"type": "http.response.body", "body": OPENING, "more_body": True}
_MODEL_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "text/event-stream",
    "Authorization": "Bearer " + os.environ.get("OPENAI_API_KEY", ""),
}
_URL = os.environ.get("OPENAI_BASE_URL", "") + "/chat/completions"
_REQUEST_HEAD = b'{"model":%b,"stream":true,"stream_options":{"include_usage":true},"messages":' % _encode(
    os.environ.get("OPENAI_MODEL", "")
)

_session: aiohttp.ClientSession | None = None


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["path"] == "/api/chat":
        await _chat(receive, send)
    else:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def _lifespan(receive: Receive, send: Send) -> None:
    global _session
    await receive()
    _session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False
    )
    gc.collect()
    gc.freeze()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await _session.close()
    await send({"type": "lifespan.shutdown.complete"})


async def _chat(receive: Receive, send: Send) -> None:
    assert _session is not None
    body = b""
    while True:
        part = await receive()
        body += part.get("body", b"")
        if not part.get("more_body"):
            break
    asked = _REQUEST_HEAD + _encode([{"role": "user", "content": _asked.decode(body).message}]) + b"}"
    await send(_START)
    await send(_OPENING)
    position = 0
    rest = b""
    reason = b'""'
    usage = b"null"
    async with _session.post(_URL, data=asked, headers=_MODEL_HEADERS) as response:
        read = response.content.readany
        while block := await read():
            if rest:
                block = rest + block
            end = block.rfind(b"\n\n")
            if end < 0:
                rest = block
                continue
            rest = block[end + 2 :]
            # All complete events of one read become one JSON array: one decode, however many there are.
            events = block[6:end]
            last = events.endswith(b"[DONE]")
            if last:
                events = events[:-6].removesuffix(b"\n\ndata: ")
            if not events:
                break
            if b"\n\n" in events:
                chunks = _many.decode(b"[%b]" % events.replace(b"\n\ndata: ", b","))
            else:
                chunks = [_one.decode(events)]
            text = ""
            for chunk in chunks:
                for choice in chunk.choices:
                    if choice.delta.content:
                        text += choice.delta.content
                        position += 1
                    if choice.finish_reason:
                        reason = _encode(choice.finish_reason)
                if chunk.usage is not None:
                    usage = _encode(chunk.usage)
            if text:
                frame = b'id: %d\ndata: {"success": true, "message": %b, "interaction_mode": "stream"}\n\n'
                await send(
                    {"type": "http.response.body", "body": frame % (position, _encode(text)), "more_body": True}
                )
            if last:
                break
    frame = (
        b'id: %d\ndata: {"success": true, "message": "", "interaction_mode": "stream", "done": true, '
        b'"finish_reason": %b, "usage": %b}\n\n'
    )
    await send({"type": "http.response.body", "body": frame % (position + 1, reason, usage)})
