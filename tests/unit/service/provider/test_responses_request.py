"""A conversation and the fields of the chat API, in the form of the Responses API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import FunctionToolParam, ResponseInputParam
from pydantic import TypeAdapter

from sluice.service.message import Message
from sluice.service.provider.refused_parts import Part
from sluice.service.provider.request import ProviderRequest
from sluice.service.provider.responses_request import response_fields

CALL = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": '{"q": "x"}'}}
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
CONVERSATION = [
    Message(role="system", content="Be kind."),
    Message(role="developer", content=[{"type": "text", "text": "Be brief."}]),
    Message(role="user", content="Hi"),
    Message(role="assistant", content="Hello"),
    Message(
        role="user",
        content=[
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"}},
        ],
    ),
    Message(role="assistant", content=None, tool_calls=[CALL]),
    Message(role="tool", content="found", tool_call_id="call_1"),
    Message(role="system", content="Now in Chinese."),
]


def test_messages_become_items_and_system_messages_at_the_beginning_instructions() -> None:
    fields = response_fields(CONVERSATION, {})
    assert fields == {
        "instructions": "Be kind.\n\nBe brief.",
        "input": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is it?"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
                ],
            },
            {"type": "function_call", "call_id": "call_1", "name": "search", "arguments": '{"q": "x"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "found"},
            {"role": "system", "content": "Now in Chinese."},
        ],
    }
    # As the openai package describes it.
    TypeAdapter(ResponseInputParam).validate_python(fields["input"])


def test_an_assistants_parts_and_a_tools_parts_are_of_their_own_types() -> None:
    parts: Any = [{"type": "text", "text": "a"}, {"type": "of_tomorrow"}]
    said = Message(role="assistant", content=parts)
    got = Message(role="tool", content=parts[:1], tool_call_id="c")
    assert response_fields([said, got], {})["input"] == [
        {"role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"type": "of_tomorrow"}]},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "a"}]},
    ]


@pytest.mark.parametrize(
    ("extra", "fields"),
    [
        ({"max_completion_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_tokens": 5, "temperature": 0.2}, {"max_output_tokens": 5, "temperature": 0.2}),
        (
            {"reasoning_effort": "low", "reasoning": {"summary": "auto"}},
            {"reasoning": {"summary": "auto", "effort": "low"}},
        ),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
        ),
        (
            {"tool_choice": {"type": "function", "function": {"name": "search"}}},
            {"tool_choice": {"type": "function", "name": "search"}},
        ),
        ({"tool_choice": "required"}, {"tool_choice": "required"}),
        # This API's own fields, and those that it does not have: the provider refuses them.
        ({"store": True, "include": ["x"], "stop": ["\n"]}, {"store": True, "include": ["x"], "stop": ["\n"]}),
        ({"tools": [{"type": "web_search"}]}, {"tools": [{"type": "web_search"}]}),
    ],
)
def test_a_field_has_its_name_and_form_of_this_api(extra: dict[str, Any], fields: dict[str, Any]) -> None:
    assert response_fields([], extra) == {"input": [], **fields}


@pytest.mark.parametrize(
    "extra",
    [{"reasoning": "x", "reasoning_effort": "low"}, {"text": "x", "verbosity": "low"}, {"text": 5, "tools": "x"}],
)
def test_a_field_of_a_wrong_type_is_left_to_the_provider_to_refuse(extra: dict[str, Any]) -> None:
    fields = response_fields([Message(role="user", content="Hi")], extra)
    name = next(iter(extra))
    assert fields[name] == extra[name]


def test_a_function_is_no_stricter_than_in_the_chat_api() -> None:
    tools = [
        {
            "type": "function",
            "function": {"name": "search", "description": "d", "parameters": SCHEMA, "strict": True},
        },
        {"type": "function", "function": {"name": "now"}},
    ]
    translated = response_fields([], {"tools": tools})["tools"]
    assert translated == [
        {"type": "function", "name": "search", "description": "d", "parameters": SCHEMA, "strict": True},
        {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}, "strict": False},
    ]
    TypeAdapter(list[FunctionToolParam]).validate_python(translated)


def test_a_request_streams_and_has_nothing_stored() -> None:
    request = ProviderRequest.prepare("http://model.example/v1", "k", "responses")
    assert request.url == "http://model.example/v1/responses"
    assert request.headers["authorization"] == "Bearer k"
    assert request.headers["accept"] == "text/event-stream"
    body = json.loads(request.body(CONVERSATION[:3], "m"))
    assert body == {
        "model": "m",
        "stream": True,
        "store": False,
        "instructions": "Be kind.\n\nBe brief.",
        "input": [{"role": "user", "content": "Hi"}],
    }


def test_a_part_that_a_server_refuses_is_left_out_here_too() -> None:
    request = ProviderRequest.prepare("http://model.example/v1", "", "responses")
    assert not request.has(Part.USAGE, CONVERSATION)
    body = json.loads(request.body(CONVERSATION[:3], "m", {Part.SYSTEM, Part.STREAM}))
    assert body == {
        "model": "m", "store": False, "input": [{"role": "user", "content": [
            {"type": "input_text", "text": "Be kind."}, {"type": "input_text", "text": "Be brief."},
            {"type": "input_text", "text": "Hi"},
        ]}],
    }  # fmt: skip
