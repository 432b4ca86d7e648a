"""FastAPI, AsyncOpenAI and StreamingResponse, as everyone writes it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel

from tools.bench.peers.frames import HEADERS, MEDIA_TYPE, OPENING, done_frame, text_frame

app = FastAPI()
client = AsyncOpenAI()


class ChatRequest(BaseModel):
    message: str
    interaction_mode: str = "stream"


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/api/chat")
async def chat(asked: ChatRequest) -> StreamingResponse:
    async def frames() -> AsyncIterator[bytes]:
        yield OPENING
        stream = await client.chat.completions.create(
            model=os.environ["OPENAI_MODEL"],
            messages=[{"role": "user", "content": asked.message}],
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

    return StreamingResponse(frames(), media_type=MEDIA_TYPE, headers=HEADERS)
