"""LangChain's ChatOpenAI."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool as as_tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from requests_on_stdin import KEY, MODEL, URL, Seen, serve


class City(BaseModel):
    """A city."""

    name: str
    people: int


@as_tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


def chat(model: str = MODEL, retries: int = 0) -> ChatOpenAI:
    # With a URL of its own it asks for usage only when told to.
    return ChatOpenAI(model=model, base_url=URL, api_key=KEY, stream_usage=True, max_retries=retries)


def take(seen: Seen, message: Any) -> None:
    """Take a piece of an answer, or a whole one."""
    seen.add(message.content)
    if message.usage_metadata:
        seen.count(message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"])
    seen.finish = message.response_metadata.get("finish_reason") or seen.finish


def stream(seen: Seen, prompt: str, model: str = MODEL, retries: int = 0) -> None:
    for chunk in chat(model, retries).stream(prompt):
        take(seen, chunk)


async def astream(seen: Seen, prompt: str) -> None:
    async for chunk in chat().astream(prompt):
        take(seen, chunk)


def whole(seen: Seen, prompt: str, model: str = MODEL, retries: int = 0) -> None:
    take(seen, chat(model, retries).invoke(prompt))


def tool(seen: Seen, prompt: str) -> None:
    total: Any = None
    for chunk in chat().bind_tools([weather]).stream(prompt):
        total = chunk if total is None else total + chunk
    for call in total.tool_calls:
        seen.call(call["name"], call["args"])
    seen.finish = total.response_metadata["finish_reason"]


def tool_loop(seen: Seen, prompt: str) -> None:
    bound = chat().bind_tools([weather])
    asked: list[Any] = [HumanMessage(prompt)]
    asked.append(bound.invoke(asked))
    for call in asked[-1].tool_calls:
        seen.call(call["name"], call["args"])
        asked.append(ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]))
    for chunk in bound.stream(asked):
        take(seen, chunk)


def structured(seen: Seen, prompt: str) -> None:
    seen.value = chat().with_structured_output(City).invoke(prompt).model_dump()


def abort(seen: Seen, prompt: str) -> None:
    chunks = chat().stream(prompt)
    for chunk in chunks:
        seen.add(chunk.content)
        if seen.pieces:
            break
    chunks.close()


if __name__ == "__main__":
    serve({
        "stream": stream, "astream": astream, "whole": whole, "tool": tool, "tool_loop": tool_loop,
        "structured": structured, "abort": abort,
    })  # fmt: skip
