"""Docstrings of the public classes as Markdown: prose, and tables of arguments, results and errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from .markdown import code, table

_SECTION = re.compile(r"^(Args|Returns|Raises):$", re.MULTILINE)
# `name: meaning`, where the meaning may continue on lines that are indented further.
_ENTRY = re.compile(r"^(\w+): (.+(?:\n .+)*)$", re.MULTILINE)
_FIELD = re.compile(r"((?:^ +#: .+\n)*)^    (\w+): (.+?)(?: = .+)?$", re.MULTILINE)


def describe(name: str, function: Callable[..., Any]) -> str:
    """Return the section of a function or method.

    Args:
        name: How the reader writes it, such as `Sluice.init_app`.
        function: The function.

    Raises:
        ValueError: It has no docstring, or an argument without a meaning.
    """
    prose, sections = _split(inspect.getdoc(function) or "")
    if not prose:
        raise ValueError(f"{name} should have a docstring")
    lines = [f"### {code(name)}", "", prose]
    parameters = [each for each in inspect.signature(function).parameters.values() if each.name != "self"]
    if "Args" in sections:
        meanings = dict(_entries(sections["Args"]))
        missing = [each.name for each in parameters if each.name not in meanings]
        if missing:
            raise ValueError(f"{name} should say what {', '.join(missing)} means")
        rows = [
            [code(each.name), code(str(each.annotation)), _default(each), meanings[each.name]] for each in parameters
        ]
        lines += ["", table(["Argument", "Type", "Default", "Meaning"], rows)]
    if "Returns" in sections:
        lines += ["", f"Returns: {' '.join(sections['Returns'].split())}"]
    if "Raises" in sections:
        lines += ["", *(f"- Raises {code(error)}: {when}" for error, when in _entries(sections["Raises"]))]
    return "\n".join(lines)


def fields(kind: type) -> str:
    """Return the table of a record's fields and properties, with the comments `#:` before them.

    Raises:
        ValueError: A field has no such comment, or a property no docstring.
    """
    rows = []
    for comment, name, annotation in _FIELD.findall(inspect.getsource(kind)):
        if name.startswith("_"):
            continue
        meaning = " ".join(line.strip().removeprefix("#: ") for line in comment.splitlines())
        rows.append([code(name), code(annotation), _capital(meaning)])
    for name, value in vars(kind).items():
        if isinstance(value, property):
            annotation = inspect.signature(value.fget).return_annotation if value.fget else ""
            rows.append([code(name), code(str(annotation)), " ".join((inspect.getdoc(value) or "").split())])
    missing = [row[0] for row in rows if not row[2]]
    if missing:
        raise ValueError(f"{kind.__name__} should say what {', '.join(missing)} means")
    return table(["Field", "Type", "Meaning"], rows)


def public_methods(kind: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield names and functions of a class's public methods, in the order of the source."""
    for name, value in vars(kind).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            yield name, value


def prose_of(kind: type) -> str:
    """Return the text of a class's docstring, and what making one raises."""
    prose, sections = _split(inspect.getdoc(kind) or "")
    raises = [f"- Raises {code(error)}: {when}" for error, when in _entries(sections.get("Raises", ""))]
    return "\n".join([prose, *(["", *raises] if raises else [])])


def _split(text: str) -> tuple[str, dict[str, str]]:
    prose, *rest = _SECTION.split(text)
    sections = {name: inspect.cleandoc(f"\n{body}") for name, body in zip(rest[::2], rest[1::2], strict=True)}
    return prose.strip(), sections


def _entries(text: str) -> list[tuple[str, str]]:
    return [(name, " ".join(meaning.split())) for name, meaning in _ENTRY.findall(text)]


def _default(parameter: inspect.Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return "" if parameter.kind is inspect.Parameter.VAR_KEYWORD else "required"
    if inspect.isfunction(parameter.default):
        return code(f"{parameter.default.__module__.partition('.')[0]}.{parameter.default.__name__}")
    return code(repr(parameter.default))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text[:1].islower() else text
