"""JSON of providers is decoded where msgspec refuses it too."""

from __future__ import annotations

import math

import pytest

from sluice.service.decoding.json_values import decode_json, is_json


@pytest.mark.parametrize(
    ("data", "value"),
    [(b'{"a": [1, null]}', {"a": [1, None]}), (rb'"\ud83d"', "\ud83d"), (b"1" * 5000, math.inf), (b"-0", 0)],
)
def test_json_that_msgspec_refuses_is_decoded(data: bytes, value: object) -> None:
    assert decode_json(data) == value
    assert math.isnan(decode_json(b"NaN"))


@pytest.mark.parametrize("data", [b"", b"{", b"ping", b"\xff", b"1 2"])
def test_anything_else_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode_json(data)
    assert not is_json(data)


def test_json_that_is_nested_too_deep_is_a_recursion_error() -> None:
    with pytest.raises(RecursionError):
        decode_json(b"[" * 100_000)
    assert not is_json(b"[" * 100_000)
