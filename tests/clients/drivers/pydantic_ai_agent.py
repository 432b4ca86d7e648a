"""Pydantic AI's Agent, by its OpenAI-compatible provider."""

from __future__ import annotations

from typing import Any

import openai
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from requests_on_stdin import KEY, MODEL, URL, Seen, serve


class City(BaseModel):
    name: str
    people: int


def agent(model: str = MODEL, retries: int = 0, **fields: Any) -> Agent[Any, Any]:
    client = openai.AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=retries)
    return Agent(OpenAIChatModel(model, provider=OpenAIProvider(openai_client=client)), **fields)


async def stream(seen: Seen, prompt: str, **given: Any) -> None:
    async with agent(**given).run_stream(prompt) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            seen.add(piece)
        take(seen, result)


def take(seen: Seen, result: Any) -> None:
    usage = result.usage() if callable(result.usage) else result.usage
    seen.count(usage.input_tokens, usage.output_tokens)
    last = result.all_messages()[-1]
    seen.reasoning = "".join(part.content for part in last.parts if part.part_kind == "thinking")
    seen.finish = last.finish_reason


async def whole(seen: Seen, prompt: str, **given: Any) -> None:
    result = await agent(**given).run(prompt)
    seen.add(result.output)
    take(seen, result)


async def tool_loop(seen: Seen, prompt: str) -> None:
    def weather(city: str) -> str:
        """The weather of a city."""
        seen.call("weather", {"city": city})
        return f"rain in {city}"

    async with agent(tools=[weather]).run_stream(prompt) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            seen.add(piece)


async def structured(seen: Seen, prompt: str) -> None:
    seen.value = (await agent(output_type=NativeOutput(City)).run(prompt)).output.model_dump()


async def abort(seen: Seen, prompt: str) -> None:
    async with agent().run_stream(prompt) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            seen.add(piece)
            break
        await result.cancel()


if __name__ == "__main__":
    serve({"stream": stream, "whole": whole, "tool_loop": tool_loop, "structured": structured, "abort": abort})
