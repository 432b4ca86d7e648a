"""The openai package, its client for asyncio."""

from __future__ import annotations

from typing import Any

import openai
from openai_sync import City, messages
from requests_on_stdin import MODEL, TOOL, Seen, serve


async def stream(seen: Seen, prompt: str, model: str = MODEL, retries: int = 0) -> None:
    async with openai.AsyncOpenAI(max_retries=retries) as client:
        options: Any = {"include_usage": True}
        chunks = await client.chat.completions.create(
            model=model, messages=messages(prompt), stream=True, stream_options=options
        )
        async for chunk in chunks:
            if chunk.usage:
                seen.count(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
            for choice in chunk.choices:
                seen.reasoning += getattr(choice.delta, "reasoning_content", None) or ""
                seen.add(choice.delta.content)
                seen.finish = choice.finish_reason or seen.finish


async def whole(seen: Seen, prompt: str, model: str = MODEL, retries: int = 0) -> None:
    async with openai.AsyncOpenAI(max_retries=retries) as client:
        done = await client.chat.completions.create(model=model, messages=messages(prompt))
        seen.add(done.choices[0].message.content)
        seen.reasoning = getattr(done.choices[0].message, "reasoning_content", None) or ""
        seen.finish = done.choices[0].finish_reason
        seen.count(done.usage.prompt_tokens, done.usage.completion_tokens)


async def tool(seen: Seen, prompt: str) -> None:
    async with (
        openai.AsyncOpenAI() as client,
        client.chat.completions.stream(model=MODEL, messages=messages(prompt), tools=[TOOL]) as events,
    ):
        async for event in events:
            if event.type == "tool_calls.function.arguments.done":
                seen.call(event.name, event.arguments)
        seen.finish = (await events.get_final_completion()).choices[0].finish_reason


async def structured(seen: Seen, prompt: str) -> None:
    async with openai.AsyncOpenAI() as client:
        done = await client.chat.completions.parse(model=MODEL, messages=messages(prompt), response_format=City)
        parsed = done.choices[0].message.parsed
        seen.value = parsed.model_dump() if parsed else None


async def abort(seen: Seen, prompt: str) -> None:
    async with openai.AsyncOpenAI() as client:
        chunks = await client.chat.completions.create(model=MODEL, messages=messages(prompt), stream=True)
        async for chunk in chunks:
            seen.add(chunk.choices[0].delta.content)
            if seen.pieces:
                break
        await chunks.close()


if __name__ == "__main__":
    serve({"stream": stream, "whole": whole, "tool": tool, "structured": structured, "abort": abort})
