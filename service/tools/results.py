"""What a tool returns -> text for the model."""

from __future__ import annotations

from typing import Any

from .context import encode_json


def to_text(value: Any, most: int) -> str:
    """Return a tool's result as text: a text as it is, anything else as JSON.

    Args:
        value: What the tool has returned.
        most: Bytes of UTF-8; a longer text is cut, and ends with a sentence that says so.

    Raises:
        TypeError: JSON cannot express it.
    """
    data = value.encode(errors="replace") if isinstance(value, str) else encode_json(value)
    if len(data) <= most:
        return data.decode(errors="replace")
    cut = data[:most].decode(errors="ignore")
    return f"{cut}\n[The result was cut here: it has {len(data)} bytes, of which {most} are shown.]"
