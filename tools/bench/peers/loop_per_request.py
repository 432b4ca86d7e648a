"""The old repair: in Flask, a new event loop and a new AsyncOpenAI client for each request."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

from flask import Flask, Response, jsonify, request
from openai import AsyncOpenAI

from tools.bench.peers.frames import HEADERS, MEDIA_TYPE, OPENING, done_frame, text_frame

app = Flask(__name__)


@app.get("/healthz")
def healthz() -> Response:
    return jsonify(status="ok")


@app.post("/api/chat")
def chat() -> Response:
    message = request.get_json()["message"]

    async def answer() -> AsyncIterator[bytes]:
        async with AsyncOpenAI() as client:
            stream = await client.chat.completions.create(
                model=os.environ["OPENAI_MODEL"],
                messages=[{"role": "user", "content": message}],
                stream=True,
                stream_options={"include_usage": True},
            )
            position, reason, usage = 0, "", None
            async for chunk in stream:
                for choice in chunk.choices:
                    if choice.delta.content:
                        position += 1
                        yield text_frame(position, choice.delta.content)
                    reason = choice.finish_reason or reason
                if chunk.usage is not None:
                    usage = chunk.usage.model_dump(include={"prompt_tokens", "completion_tokens", "total_tokens"})
            yield done_frame(position + 1, reason, usage)

    def frames() -> Iterator[bytes]:
        yield OPENING
        loop = asyncio.new_event_loop()
        agen = answer()
        try:
            while True:
                try:
                    yield loop.run_until_complete(agen.__anext__())
                except StopAsyncIteration:
                    break
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    return Response(frames(), content_type=MEDIA_TYPE, headers=HEADERS)
