"""Operations and types of the HTTP API: made of the OpenAPI document of a server with default settings."""

from __future__ import annotations

import json
from typing import Any

from sluice.service.settings.settings import Settings
from sluice.web.api.error_replies import STATUSES
from sluice.web.openapi.document import make_openapi_document

from .markdown import code, table

Schema = dict[str, Any]
_STREAM = "text/event-stream"


def operations() -> str:
    """Return a section for each operation, with its request and its replies."""
    document = make_openapi_document(Settings(), is_guest=True)
    sections = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            sections.append(_operation(f"{method.upper()} {path}", operation))
    return "\n\n".join(sections)


def types() -> str:
    """Return a section for each type of a request or reply, with its fields."""
    schemas: dict[str, Schema] = make_openapi_document(Settings(), is_guest=True)["components"]["schemas"]
    return "\n\n".join(_schema(name, schemas[name]) for name in sorted(schemas))


def _operation(title: str, operation: dict[str, Any]) -> str:
    lines = [f"### {code(title)}", "", f"{operation['summary']}. {operation.get('description', '')}".strip()]
    if body := operation.get("requestBody"):
        bodies = " or ".join(f"{_type(of['schema'])} as `{kind}`" for kind, of in body["content"].items())
        lines += ["", f"Request: {bodies}. {body.get('description', '')}".strip()]
    if parameters := [_parameter(each) for each in operation.get("parameters", ())]:
        lines += ["", table(["Parameter", "In", "Type", "Meaning"], parameters)]
    rows = [_reply(status, reply) for status, reply in operation["responses"].items()]
    return "\n".join([*lines, "", table(["Status", "Body", "Headers", "Meaning"], rows)])


def _parameter(parameter: dict[str, Any]) -> list[str]:
    schema = parameter["schema"]
    shown = f"text of the form `{schema['pattern']}`" if "pattern" in schema else _type(schema)
    name = f"{code(parameter['name'])}{', required' if parameter.get('required') else ''}"
    return [name, parameter["in"], shown, parameter.get("description", "")]


def _reply(status: str, reply: dict[str, Any]) -> list[str]:
    bodies = ", or ".join(f"{_type(_known(kind, of['schema']))} as `{kind}`" for kind, of in reply["content"].items())
    headers = ", ".join(code(name) for name in reply["headers"] if name != "X-Request-Id")
    meaning = reply["description"]
    for kind in STATUSES:
        meaning = meaning.replace(f"`{kind.code}`: {kind.public_message}", f"[`{kind.code}`](errors.md#{kind.code}).")
    return [status, bodies, headers, meaning]


def _known(media_type: str, schema: Schema) -> Schema:
    """Return what each event of a stream is: the alternative is for tools that know no streams."""
    return schema["anyOf"][0] if media_type == _STREAM and "anyOf" in schema else schema


def _schema(name: str, schema: Schema) -> str:
    required = schema.get("required", [])
    rows = [
        [code(field), _type(of), _default(of) if field not in required else "required", _limits(of)]
        for field, of in schema["properties"].items()
    ]
    lines = [f"### {name}", ""]
    if description := schema.get("description"):
        lines += [description, ""]
    return "\n".join([*lines, table(["Field", "Type", "Default", "Limits"], rows)])


def _type(schema: Schema) -> str:
    """Say the type of a schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "enum" in schema:
        if set(schema["enum"]) == {kind.code for kind in STATUSES}:
            return "one of the [codes](errors.md)"
        return " or ".join(code(json.dumps(value)) for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and "contentSchema" in schema.get("properties", {}).get("data", {}):
        return f"events whose data is {_type(schema['properties']['data']['contentSchema'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object whose values are {_type(schema['additionalProperties'])}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _default(schema: Schema) -> str:
    return code(json.dumps(schema["default"])) if "default" in schema else "left out"


def _limits(schema: Schema) -> str:
    found = []
    if "pattern" in schema:
        found.append("not blank")
    if "maxLength" in schema:
        found.append(f"at most {schema['maxLength']:,} characters")
    if "maxItems" in schema:
        found.append(f"at most {schema['maxItems']:,}")
    return ", ".join(found)
