"""httpx-sse: server-sent events over httpx, whose meaning is the program's own work."""

from __future__ import annotations

import json
from typing import Any

import httpx
from httpx_sse import ServerSentEvent, connect_sse
from requests_on_stdin import KEY, MODEL, URL, Seen, serve

HEADERS = {"Authorization": f"Bearer {KEY}"}


def ask(prompt: str, model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True, **fields}


def stream(seen: Seen, prompt: str, model: str = MODEL) -> None:
    body = ask(prompt, model, stream_options={"include_usage": True})
    with (
        httpx.Client(headers=HEADERS) as client,
        connect_sse(client, "POST", f"{URL}/chat/completions", json=body) as source,
    ):
        source.response.raise_for_status()
        for event in source.iter_sse():
            if event.data == "[DONE]":
                return
            take(seen, event)
    raise EOFError("the stream ended without [DONE]")


def take(seen: Seen, event: ServerSentEvent) -> None:
    assert (event.event, event.id, event.retry) == ("message", "", None), event
    chunk = event.json()
    if "error" in chunk:
        raise RuntimeError(f"{chunk['error']['code']}: {chunk['error']['message']}")
    if usage := chunk.get("usage"):
        seen.count(usage["prompt_tokens"], usage["completion_tokens"])
    for choice in chunk["choices"]:
        seen.reasoning += choice["delta"].get("reasoning_content") or ""
        seen.add(choice["delta"].get("content"))
        seen.finish = choice["finish_reason"] or seen.finish


def abort(seen: Seen, prompt: str) -> None:
    with (
        httpx.Client(headers=HEADERS) as client,
        connect_sse(client, "POST", f"{URL}/chat/completions", json=ask(prompt, MODEL)) as source,
    ):
        for event in source.iter_sse():
            take(seen, event)
            if seen.pieces:
                return


def own_api(seen: Seen, prompt: str) -> None:
    """Ask by Sluice's own API: `/api/chat`."""
    body = {"message": prompt, "interaction_mode": "stream"}
    url = URL.removesuffix("/v1") + "/api/chat"
    ids = []
    with httpx.Client() as client, connect_sse(client, "POST", url, json=body) as source:
        for event in source.iter_sse():
            ids.append(event.id)
            frame = json.loads(event.data)
            if not frame["success"]:
                raise RuntimeError(f"{frame['code']}: {frame['error']}")
            seen.add(frame["message"])
            seen.finish = frame.get("finish_reason")
    seen.value = ids


if __name__ == "__main__":
    serve({"stream": stream, "abort": abort, "own_api": own_api})
