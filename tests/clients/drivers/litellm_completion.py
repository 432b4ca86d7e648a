"""LiteLLM as a client."""

from __future__ import annotations

from typing import Any

import litellm
from pydantic import BaseModel
from requests_on_stdin import KEY, MODEL, TOOL, URL, Seen, serve


class City(BaseModel):
    name: str
    people: int


def ask(prompt: str, model: str = MODEL, retries: int = 0, **fields: Any) -> Any:
    return litellm.completion(
        model=f"openai/{model}",
        api_base=URL,
        api_key=KEY,
        max_retries=retries,
        messages=[{"role": "user", "content": prompt}],
        **fields,
    )


def stream(seen: Seen, prompt: str, **given: Any) -> None:
    for chunk in ask(prompt, stream=True, stream_options={"include_usage": True}, **given):
        take(seen, chunk)


async def astream(seen: Seen, prompt: str) -> None:
    chunks = await litellm.acompletion(
        model=f"openai/{MODEL}",
        api_base=URL,
        api_key=KEY,
        max_retries=0,
        messages=[{"role": "user", "content": prompt}],
        stream=True,
        stream_options={"include_usage": True},
    )
    async for chunk in chunks:
        take(seen, chunk)


def take(seen: Seen, chunk: Any) -> None:
    if usage := getattr(chunk, "usage", None):
        seen.count(usage.prompt_tokens, usage.completion_tokens)
    for choice in chunk.choices:
        seen.reasoning += getattr(choice.delta, "reasoning_content", None) or ""
        seen.add(choice.delta.content)
        seen.finish = choice.finish_reason or seen.finish


def whole(seen: Seen, prompt: str, **given: Any) -> None:
    done = ask(prompt, **given)
    seen.add(done.choices[0].message.content)
    seen.reasoning = getattr(done.choices[0].message, "reasoning_content", None) or ""
    seen.finish = done.choices[0].finish_reason
    seen.count(done.usage.prompt_tokens, done.usage.completion_tokens)


def tool(seen: Seen, prompt: str) -> None:
    done = litellm.stream_chunk_builder(list(ask(prompt, stream=True, tools=[TOOL])))
    for call in done.choices[0].message.tool_calls or ():
        seen.call(call.function.name, call.function.arguments)
    seen.finish = done.choices[0].finish_reason


def structured(seen: Seen, prompt: str) -> None:
    done = ask(prompt, response_format=City)
    seen.value = City.model_validate_json(done.choices[0].message.content).model_dump()


def abort(seen: Seen, prompt: str) -> None:
    chunks = ask(prompt, stream=True)
    for chunk in chunks:
        seen.add(chunk.choices[0].delta.content)
        if seen.pieces:
            break
    chunks.completion_stream.close()


if __name__ == "__main__":
    serve({
        "stream": stream, "astream": astream, "whole": whole, "tool": tool, "structured": structured, "abort": abort
    })  # fmt: skip
