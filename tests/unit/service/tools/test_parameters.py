"""A function's signature becomes a schema for the model, and the model's arguments become values of its types."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice import ToolContext
from sluice.service.tools.parameters import BadArguments, Parameters, read_parameters


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(msgspec.Struct):
    street: str
    number: int | None = None
    floor: int = 0


class Order(msgspec.Struct, forbid_unknown_fields=True):
    address: Address
    others: list[Address] = []


class Node(msgspec.Struct):
    name: str
    children: list[Node] = []


class Query(pydantic.BaseModel):
    text: str = pydantic.Field(description="What is searched for.", min_length=2)
    limit: int = 5
    since: datetime.date | None = None


async def plain(text: str, limit: Annotated[int, msgspec.Meta(ge=1, le=9, description="How many.")] = 5) -> None: ...
async def nothing() -> None: ...
async def with_context(context: ToolContext, word: str) -> None: ...
async def many(color: Color, kind: Literal["a", "b"], on: datetime.date, tags: list[str] | None = None) -> None: ...
async def one_struct(order: Order) -> None: ...
async def one_model(query: Query) -> None: ...
async def recursive(node: Node) -> None: ...
async def free(options: dict[str, int], anything: Any = None) -> None: ...


def read(function: Callable[..., Any]) -> Parameters:
    return read_parameters(function, function.__name__)


def test_parameters_are_described_in_the_strict_form_of_the_provider() -> None:
    parameters = read(plain)
    assert parameters.is_strict
    assert parameters.schema == {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "limit": {
                "type": ["integer", "null"], "minimum": 1, "maximum": 9, "description": "How many. (default: 5)"
            },
        },
        "required": ["text", "limit"],
        "additionalProperties": False,
    }  # fmt: skip


def test_a_function_without_parameters_takes_an_empty_object() -> None:
    parameters = read(nothing)
    assert parameters.schema == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    assert parameters.decode("{}") == {}


def test_the_context_is_not_described() -> None:
    parameters = read(with_context)
    assert parameters.context_name == "context"
    assert parameters.schema["required"] == ["word"]
    assert parameters.decode('{"word": "a"}') == {"word": "a"}


def test_keywords_that_the_strict_form_does_not_know_are_in_the_description() -> None:
    text = read(one_model).schema["properties"]["text"]
    assert text == {"type": "string", "description": "What is searched for. (minLength: 2)"}


def test_objects_in_objects_are_strict_too_and_nothing_refers_elsewhere() -> None:
    schema = read(one_struct).schema
    address = schema["properties"]["address"]
    assert address["required"] == ["street", "number", "floor"]
    assert address["additionalProperties"] is False
    assert schema["properties"]["others"]["items"] == address
    assert "$ref" not in str(schema)


def test_a_type_that_has_itself_stays_a_reference() -> None:
    parameters = read(recursive)
    assert parameters.schema["$defs"]["Node"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    decoded = parameters.decode('{"name": "a", "children": [{"name": "b", "children": null}]}')
    assert decoded == {"node": Node("a", [Node("b")])}


def test_an_object_with_any_keys_is_described_without_the_strict_form() -> None:
    parameters = read(free)
    assert not parameters.is_strict
    assert parameters.schema["properties"]["options"]["additionalProperties"] == {"type": "integer"}
    assert parameters.decode('{"options": {"a": 1}}') == {"options": {"a": 1}, "anything": None}


@pytest.mark.parametrize(
    ("function", "arguments", "values"),
    [
        (plain, '{"text": "a", "limit": 9}', {"text": "a", "limit": 9}),
        (plain, '{"text": "a"}', {"text": "a", "limit": 5}),
        # As the strict form makes a model write a default.
        (plain, '{"text": "a", "limit": null}', {"text": "a", "limit": 5}),
        (
            many, '{"color": "red", "kind": "b", "on": "2026-01-02", "tags": null}',
            {"color": Color.RED, "kind": "b", "on": datetime.date(2026, 1, 2), "tags": None},
        ),
        (
            one_struct, '{"address": {"street": "s", "number": null, "floor": null}, "others": null}',
            {"order": Order(Address("s"))},
        ),
        (one_model, '{"text": "ab", "limit": null, "since": null}', {"query": Query(text="ab")}),
        (
            one_model, '{"text": "ab", "since": "2026-01-02"}',
            {"query": Query(text="ab", since=datetime.date(2026, 1, 2))},
        ),
    ],
)  # fmt: skip
def test_arguments_become_values_of_the_types(
    function: Callable[..., Any], arguments: str, values: dict[str, Any]
) -> None:
    assert read(function).decode(arguments) == values


@pytest.mark.parametrize(
    ("function", "arguments", "sentence"),
    [
        (plain, '{"text": "a', "not valid JSON"),
        (plain, "", "not valid JSON"),
        (plain, '{"text": "\\ud800"}', "not valid JSON"),
        pytest.param(plain, "[" * 100_000, "not valid", id="deep"),
        (plain, "[]", "should be one JSON object"),
        (plain, '{"limit": 3}', "missing required field `text`"),
        (plain, '{"text": 3}', "Expected `str`, got `int`"),
        (plain, '{"text": "a", "limit": 10}', "`int` <= 9"),
        (plain, '{"text": "a", "more": 1}', "unknown field `more`"),
        (one_struct, '{"address": {}}', "missing required field `street`"),
        (one_model, '{"text": "a"}', "text: String should have at least 2 characters"),
        (one_model, "{}", "text: Field required"),
    ],
)
def test_other_arguments_are_refused_with_what_is_wrong(
    function: Callable[..., Any], arguments: str, sentence: str
) -> None:
    with pytest.raises(BadArguments) as caught:
        read(function).decode(arguments)
    assert sentence in str(caught.value)


@given(st.text())
def test_any_text_of_a_model_is_arguments_or_refused(text: str) -> None:
    for function in (plain, one_model, one_struct, free):
        try:
            read(function).decode(text)
        except BadArguments:
            continue


async def unannotated(text) -> None: ...  # type: ignore[no-untyped-def]
async def any_number(*texts: str) -> None: ...
async def of_no_json(file: open) -> None: ...  # type: ignore[valid-type]
async def of_no_name(text: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (unannotated, "the parameter text of the tool unannotated has no annotation"),
        (any_number, "it should take parameters with names only"),
        (of_no_json, "cannot be described"),
        (of_no_name, "its types should be defined in its module"),
    ],
)
def test_a_signature_that_cannot_be_described_is_refused_with_a_sentence(
    function: Callable[..., Any], sentence: str
) -> None:
    with pytest.raises(TypeError, match=sentence):
        read(function)
