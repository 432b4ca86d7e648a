"""The openai package, its client that blocks."""

from __future__ import annotations

from typing import Any

import openai
from pydantic import BaseModel
from requests_on_stdin import MODEL, TOOL, Seen, serve


class City(BaseModel):
    name: str
    people: int


def messages(prompt: str) -> Any:
    return [{"role": "user", "content": prompt}]


def stream(seen: Seen, prompt: str, model: str = MODEL, retries: int = 0, usage: bool = True, **fields: Any) -> None:
    client = openai.OpenAI(max_retries=retries)
    if usage:
        fields["stream_options"] = {"include_usage": True}
    for chunk in client.chat.completions.create(model=model, messages=messages(prompt), stream=True, **fields):
        if chunk.usage:
            seen.count(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        for choice in chunk.choices:
            seen.reasoning += getattr(choice.delta, "reasoning_content", None) or ""
            seen.add(choice.delta.content)
            seen.finish = choice.finish_reason or seen.finish


def whole(seen: Seen, prompt: str, model: str = MODEL, retries: int = 0, **fields: Any) -> None:
    client = openai.OpenAI(max_retries=retries)
    done = client.chat.completions.create(model=model, messages=messages(prompt), **fields)
    seen.add(done.choices[0].message.content)
    seen.reasoning = getattr(done.choices[0].message, "reasoning_content", None) or ""
    seen.finish = done.choices[0].finish_reason
    seen.count(done.usage.prompt_tokens, done.usage.completion_tokens)


def tool(seen: Seen, prompt: str) -> None:
    with openai.OpenAI().chat.completions.stream(model=MODEL, messages=messages(prompt), tools=[TOOL]) as events:
        for event in events:
            if event.type == "content.delta":
                seen.add(event.delta)
            elif event.type == "tool_calls.function.arguments.done":
                seen.call(event.name, event.arguments)
        done = events.get_final_completion()
    seen.finish = done.choices[0].finish_reason


def tool_loop(seen: Seen, prompt: str) -> None:
    client = openai.OpenAI()
    asked = messages(prompt)
    called = client.chat.completions.create(model=MODEL, messages=asked, tools=[TOOL]).choices[0].message
    asked.append(called)
    for call in called.tool_calls or ():
        seen.call(call.function.name, call.function.arguments)
        result = f"rain in {seen.calls[-1]['arguments']['city']}"
        asked.append({"role": "tool", "tool_call_id": call.id, "content": result})
    for chunk in client.chat.completions.create(model=MODEL, messages=asked, tools=[TOOL], stream=True):
        for choice in chunk.choices:
            seen.add(choice.delta.content)


def structured(seen: Seen, prompt: str) -> None:
    done = openai.OpenAI().chat.completions.parse(model=MODEL, messages=messages(prompt), response_format=City)
    parsed = done.choices[0].message.parsed
    seen.value = parsed.model_dump() if parsed else None


def abort(seen: Seen, prompt: str) -> None:
    with openai.OpenAI().chat.completions.create(model=MODEL, messages=messages(prompt), stream=True) as chunks:
        for chunk in chunks:
            seen.add(chunk.choices[0].delta.content)
            if seen.pieces:
                break


def models(seen: Seen) -> None:
    client = openai.OpenAI()
    seen.value = [model.id for model in client.models.list()]
    client.models.retrieve(MODEL)
    client.models.retrieve("other")


def foreign_route(seen: Seen) -> None:
    openai.OpenAI(max_retries=0).embeddings.create(model=MODEL, input="x")


def headers(seen: Seen, prompt: str) -> None:
    raw = openai.OpenAI().chat.completions.with_raw_response.create(model=MODEL, messages=messages(prompt))
    seen.value = raw.request_id


if __name__ == "__main__":
    serve({
        "stream": stream, "whole": whole, "tool": tool, "tool_loop": tool_loop, "structured": structured,
        "abort": abort, "models": models, "foreign_route": foreign_route, "headers": headers,
    })  # fmt: skip
