"""The parameters of a tool's function: described for the model, and decoded from what the model wrote."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from .context import ToolContext
from .strict_schema import describe_parameters, drop_nulls

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class BadArguments(ValueError):
    """A model's arguments are not those of the tool. The text is a sentence for the model."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a tool's function takes."""

    #: JSON Schema, for the provider.
    schema: dict[str, Any]
    #: Whether the schema is of the strict form.
    is_strict: bool
    #: The name of the parameter that gets the `ToolContext`; None where there is none.
    context_name: str | None
    _decode: Callable[[Any], dict[str, Any]]
    _original: dict[str, Any]

    def decode(self, arguments: str) -> dict[str, Any]:
        """Return the function's arguments, without the context.

        Args:
            arguments: JSON as the model wrote it.

        Raises:
            BadArguments: They are not JSON, or not of the function's types.
        """
        try:
            # Halves of surrogate pairs have no UTF-8.
            value = msgspec.json.decode(arguments.encode(errors="replace"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadArguments(f"The arguments are not valid JSON: {error}") from None
        if not isinstance(value, dict):
            raise BadArguments("The arguments should be one JSON object.")
        try:
            value = drop_nulls(value, self._original, self._original.get("$defs", {}))
            return self._decode(value)
        except (msgspec.ValidationError, RecursionError) as error:
            raise BadArguments(f"The arguments are not valid: {error}") from None


def read_parameters(function: Callable[..., Any], name: str) -> Parameters:
    """Read a function's parameters from its signature.

    Args:
        function: Its parameters have annotations.
        name: The tool's, for errors.

    Raises:
        TypeError: A parameter has no annotation, or one that JSON cannot express. The text is a sentence.
    """
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"the annotations of the tool {name} cannot be read: {error}; its types should be defined in its module"
        ) from None
    context_name: str | None = None
    named: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in _NAMED:
            raise TypeError(f"the tool {name} takes {parameter}; it should take parameters with names only")
        if parameter.name not in hints:
            raise TypeError(
                f"the parameter {parameter.name} of the tool {name} has no annotation; it should have its type"
            )
        if hints[parameter.name] is ToolContext:
            context_name = parameter.name
        else:
            named.append(parameter)
    try:
        schema, decode = _describe(name, named, hints)
    except (TypeError, msgspec.ValidationError) as error:
        raise TypeError(
            f"the parameters of the tool {name} cannot be described: {error}; they should be of types that JSON has, "
            "one msgspec.Struct, or one pydantic.BaseModel"
        ) from None
    described, is_strict = describe_parameters(schema)
    return Parameters(described, is_strict, context_name, decode, schema)


def _describe(
    name: str, named: list[inspect.Parameter], hints: dict[str, Any]
) -> tuple[dict[str, Any], Callable[[Any], dict[str, Any]]]:
    """Return the schema of the parameters together, and what makes arguments of a JSON object."""
    if len(named) == 1:
        only = named[0].name
        kind = hints[only]
        if _is_pydantic(kind):
            return kind.model_json_schema(), lambda value: {only: _validate(kind, value)}
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return _schema_of(kind), lambda value: {only: msgspec.convert(value, kind)}
    fields: list[Any] = []
    for parameter in named:
        if parameter.default is inspect.Parameter.empty:
            fields.append((parameter.name, hints[parameter.name]))
        else:
            fields.append((parameter.name, hints[parameter.name], _field(parameter.default)))
    made = msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)

    def decode(value: Any) -> dict[str, Any]:
        decoded = msgspec.convert(value, made)
        return {parameter.name: getattr(decoded, parameter.name) for parameter in named}

    return _schema_of(made), decode


def _field(default: Any) -> Any:
    # A list or a dict is no default of a field.
    is_plain = default is None or isinstance(default, str | int | float)
    return msgspec.field(default=default) if is_plain else msgspec.field(default_factory=lambda: default)


def _schema_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    (reference,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    return {**reference, "$defs": definitions}


def _is_pydantic(kind: Any) -> bool:
    # Not imported: an application whose tools have such types has it.
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def _validate(model: Any, value: Any) -> Any:
    pydantic = sys.modules["pydantic"]
    try:
        return model.model_validate_json(msgspec.json.encode(value))
    except pydantic.ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        texts = [f"{'.'.join(map(str, each['loc'])) or 'the object'}: {each['msg']}" for each in problems[:3]]
        raise BadArguments(f"The arguments are not valid: {'; '.join(texts)}") from None
