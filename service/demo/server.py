"""The built-in demo model: a chat-completions server on 127.0.0.1 that answers from a script.

With it all of Sluice, real sockets included, runs without a key. Each answer begins with a notice that says so.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from aiohttp import web

from .script import scripted_answer

# Words, single CJK characters, white space and punctuation: about the tokens of a model.
_TOKEN = re.compile(r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef]|\s*[A-Za-z0-9_']{1,8}|\s*[^\sA-Za-z0-9_']{1,3}|\s+")


class DemoServer:
    """A chat-completions server on 127.0.0.1. Use it on the loop that starts it."""

    def __init__(self, tokens_per_second: float) -> None:
        """Prepare the server.

        Args:
            tokens_per_second: The speed of an answer.
        """
        self._pause = 1 / tokens_per_second
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen on a free port of 127.0.0.1.

        Returns:
            The API's base URL, with `/v1`.

        Raises:
            OSError: The process may not listen, or has no descriptor left.
        """
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        # handler_cancellation: a client that disconnects ends its answer, as with a real provider.
        # shutdown_timeout: streams were drained before, so nothing is to be waited for.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}/v1"

    async def aclose(self) -> None:
        """Stop listening, and end open answers. Calling it again is harmless."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        text = scripted_answer(body["messages"])
        chunks = _Chunks(body["model"], body["messages"])
        if not body.get("stream"):
            return web.json_response(chunks.whole(text))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        loop = asyncio.get_running_loop()
        due = loop.time()
        for token in tokens(text):
            await response.write(chunks.chunk(token))
            # By the clock, and not from token to token: writes do not slow the pace.
            due += self._pause
            await asyncio.sleep(max(0.0, due - loop.time()))
        for chunk in chunks.end(body):
            await response.write(chunk)
        await response.write_eof()
        return response


def tokens(text: str) -> Iterator[str]:
    """Split a text into about its tokens; joined, they are the text again."""
    return (match.group() for match in _TOKEN.finditer(text))


class _Chunks:
    """Encodes the chunks of one answer. Source: https://platform.openai.com/docs/api-reference/chat-streaming."""

    def __init__(self, model: str, messages: list[dict[str, Any]]) -> None:
        self._frame = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": model}
        self._prompt_tokens = sum(1 for message in messages for _ in tokens(str(message.get("content"))))
        self._completion_tokens = 0

    def chunk(self, token: str) -> bytes:
        self._completion_tokens += 1
        return self._event(choices=[{"index": 0, "delta": {"content": token}, "finish_reason": None}])

    def end(self, body: dict[str, Any]) -> Iterator[bytes]:
        yield self._event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        if (body.get("stream_options") or {}).get("include_usage"):
            yield self._event(choices=[], usage=self._usage())
        yield b"data: [DONE]\n\n"

    def whole(self, text: str) -> dict[str, Any]:
        self._completion_tokens = sum(1 for _ in tokens(text))
        message = {"role": "assistant", "content": text}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return {**self._frame, "object": "chat.completion", "choices": choices, "usage": self._usage()}

    def _usage(self) -> dict[str, int]:
        total = self._prompt_tokens + self._completion_tokens
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
            "total_tokens": total,
        }

    def _event(self, **fields: Any) -> bytes:
        chunk = {**self._frame, "object": "chat.completion.chunk", **fields}
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"
