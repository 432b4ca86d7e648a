"""Flask with the synchronous OpenAI client, one for the process."""

from __future__ import annotations

import os
from collections.abc import Iterator

from flask import Flask, Response, jsonify, request
from httpx2 import Limits
from openai import DefaultHttpxClient, OpenAI

from tools.bench.peers.frames import HEADERS, MEDIA_TYPE, OPENING, done_frame, text_frame

app = Flask(__name__)
client = OpenAI(http_client=DefaultHttpxClient(limits=Limits(max_connections=None, max_keepalive_connections=100)))


@app.get("/healthz")
def healthz() -> Response:
    return jsonify(status="ok")


@app.post("/api/chat")
def chat() -> Response:
    message = request.get_json()["message"]

    def frames() -> Iterator[bytes]:
        yield OPENING
        stream = client.chat.completions.create(
            model=os.environ["OPENAI_MODEL"],
            messages=[{"role": "user", "content": message}],
            stream=True,
            stream_options={"include_usage": True},
        )
        position, reason, usage = 0, "", None
        for chunk in stream:
            for choice in chunk.choices:
                if choice.delta.content:
                    position += 1
                    yield text_frame(position, choice.delta.content)
                reason = choice.finish_reason or reason
            if chunk.usage is not None:
                usage = chunk.usage.model_dump(include={"prompt_tokens", "completion_tokens", "total_tokens"})
        yield done_frame(position + 1, reason, usage)

    return Response(frames(), content_type=MEDIA_TYPE, headers=HEADERS)
