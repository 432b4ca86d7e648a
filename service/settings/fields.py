"""What describes one setting: a dataclass field whose metadata hold its variable, parser and meaning."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

#: The value of a setting that is on or off.
Switch: TypeAlias = Literal["on", "off"]


def setting(
    variable: str,
    parse: Callable[[str], Any],
    default: Any,
    meaning: str,
    *,
    secret: bool = False,
    from_file: bool = False,
) -> Any:
    """Make the field of one setting.

    Args:
        variable: The environment variable.
        parse: Turns its text into the value; raises `ValueError` with what the text should be.
        default: The value where the variable is not set.
        meaning: What the setting does, for the reference pages and `.env.example`.
        secret: Whether no message may show the value.
        from_file: Whether a variable with `_FILE` behind the name may name a file that holds the value.
    """
    metadata = {
        "variable": variable, "parse": parse, "meaning": meaning, "secret": secret, "from_file": from_file,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


def setting_fields(record: Any) -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    """Yield each setting's field and value; a field that holds a record of settings yields those of the record.

    Args:
        record: A dataclass instance, such as `Settings()`.
    """
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if "variable" in field.metadata:
            yield field, value
        elif dataclasses.is_dataclass(value):
            yield from setting_fields(value)
