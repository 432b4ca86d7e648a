"""Decode JSON that providers send, including what msgspec refuses."""

from __future__ import annotations

import json
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
# Python refuses integers of thousands of digits. From this length on they become floats.
_INTEGER_DIGITS = 20


def decode_json(data: bytes) -> Any:
    """Decode any JSON; escaped halves of surrogate pairs, and NaN among the numbers, are accepted.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deep.
    """
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return json.loads(data, parse_int=_integer)


def is_json(data: bytes) -> bool:
    """Return whether the bytes are one JSON value."""
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _integer(digits: str) -> int | float:
    # An absurd count must not make a whole chunk unreadable.
    return int(digits) if len(digits) < _INTEGER_DIGITS else float(digits)
