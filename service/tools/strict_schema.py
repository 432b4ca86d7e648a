"""JSON Schema as providers want it for the arguments of a tool.

The strict form has only keywords that OpenAI's structured outputs know
(https://platform.openai.com/docs/guides/structured-outputs): each object names all of its properties as required and
allows no others. A property that has a default allows null in place of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT = frozenset({
    "type", "enum", "const", "description", "pattern", "format", "multipleOf", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems",
})  # fmt: skip
# They say nothing about the value.
_IGNORED = frozenset({
    "title", "examples", "discriminator", "additionalProperties", "required", "properties", "items", "anyOf", "oneOf",
    "allOf", "$ref", "$defs",
})  # fmt: skip
_NULL = {"type": "null"}


class _NotStrict(Exception):
    """A schema has something that the strict form cannot have, such as an object with any keys."""


def describe_parameters(schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a schema for a provider, with references replaced by what they refer to.

    Args:
        schema: Of an object; its definitions are in `$defs`.

    Returns:
        The schema, and whether it is of the strict form.
    """
    try:
        return _Converter(schema, is_strict=True).convert_all(), True
    except _NotStrict:
        return _Converter(schema, is_strict=False).convert_all(), False


class _Converter:
    def __init__(self, schema: Mapping[str, Any], *, is_strict: bool) -> None:
        self._schema = schema
        self._is_strict = is_strict
        #: Definitions that refer to themselves, which cannot be replaced.
        self._recursive: dict[str, dict[str, Any]] = {}

    def convert_all(self) -> dict[str, Any]:
        converted = self._convert(self._schema, ())
        done: set[str] = set()
        while left := self._recursive.keys() - done:
            for name in sorted(left):
                done.add(name)
                self._recursive[name] = self._convert(self._schema["$defs"][name], (name,))
        return {**converted, "$defs": self._recursive} if self._recursive else converted

    def _convert(self, schema: Any, within: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(schema, Mapping):
            # `true`: any value.
            raise _NotStrict
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            if name in within:
                self._recursive.setdefault(name, {})
                return {"$ref": schema["$ref"]}
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            return self._convert({**self._schema["$defs"][name], **beside}, (*within, name))
        if not self._is_strict:
            return {key: self._convert_loosely(key, value, within) for key, value in schema.items() if key != "$defs"}
        found = {key: value for key, value in schema.items() if key in _KEPT}
        options = schema.get("anyOf") or schema.get("oneOf")
        if "allOf" in schema or not (options or found.keys() & {"type", "enum", "const"}):
            raise _NotStrict
        if options:
            found["anyOf"] = [self._convert(option, within) for option in options]
        notes = [
            f"{key}: {value}"
            for key, value in schema.items()
            if key not in _KEPT | _IGNORED and not (key == "default" and value is None)
        ]
        if notes:
            found["description"] = f"{found.get('description', '')} ({', '.join(notes)})".lstrip()
        if "object" in _types(schema):
            found |= self._convert_object(schema, within)
        if "array" in _types(schema):
            if "prefixItems" in schema or "items" not in schema:
                raise _NotStrict
            found["items"] = self._convert(schema["items"], within)
        return found

    def _convert_object(self, schema: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
        properties = schema.get("properties", {})
        # A `dict`, whose keys are not known.
        if schema.get("additionalProperties") or (
            "properties" not in schema and "additionalProperties" not in schema
        ):
            raise _NotStrict
        required = schema.get("required", ())
        return {
            "properties": {
                name: self._convert(value, within) if name in required else _or_null(self._convert(value, within))
                for name, value in properties.items()
            },
            "required": list(properties),
            "additionalProperties": False,
        }

    def _convert_loosely(self, key: str, value: Any, within: tuple[str, ...]) -> Any:
        if key == "properties":
            return {name: self._convert_any(each, within) for name, each in value.items()}
        if key in ("items", "additionalProperties"):
            return self._convert_any(value, within)
        if key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            return [self._convert_any(each, within) for each in value]
        return value

    def _convert_any(self, schema: Any, within: tuple[str, ...]) -> Any:
        return self._convert(schema, within) if isinstance(schema, Mapping) else schema


def _types(schema: Mapping[str, Any]) -> tuple[str, ...]:
    types = schema.get("type", ())
    return (types,) if isinstance(types, str) else tuple(types)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a strict schema that also allows null."""
    if _allows_null(schema):
        return schema
    if isinstance(schema.get("type"), str) and not schema.keys() & {"enum", "const"}:
        return {**schema, "type": [schema["type"], "null"]}
    options = schema["anyOf"] if schema.keys() <= {"anyOf", "description"} else [_without_description(schema)]
    described = {"description": schema["description"]} if "description" in schema else {}
    return {**described, "anyOf": [*options, _NULL]}


def _without_description(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "description"}


def _allows_null(schema: Mapping[str, Any]) -> bool:
    if "null" in _types(schema) or None in schema.get("enum", ()):
        return True
    return any(_allows_null(option) for option in schema.get("anyOf", ()))


def drop_nulls(value: Any, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """Return a value without the nulls that stand for defaults, as the strict form makes a model write them.

    Args:
        value: Of JSON.
        schema: The schema from which the strict one was made.
        definitions: Its `$defs`.
    """
    schema = _resolve(schema, definitions)
    for option in schema.get("anyOf", ()):
        resolved = _resolve(option, definitions)
        kind = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else ""
        if kind and kind in _types(resolved):
            return drop_nulls(value, resolved, definitions)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        kept = {}
        for name, each in value.items():
            of_property = properties.get(name)
            if of_property is None:
                kept[name] = each
            elif each is not None or name in schema.get("required", ()) or _takes_null(of_property, definitions):
                kept[name] = drop_nulls(each, of_property, definitions)
        return kept
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return [drop_nulls(each, schema["items"], definitions) for each in value]
    return value


def _resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _takes_null(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
    schema = _resolve(schema, definitions)
    if not schema.keys() & {"type", "enum", "const", "anyOf"}:
        return True
    return _allows_null(schema) or any(_takes_null(option, definitions) for option in schema.get("anyOf", ()))
