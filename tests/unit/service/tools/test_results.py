"""What a tool returns becomes text of a bounded size."""

from __future__ import annotations

from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.service.tools.results import to_text


class Ticket(msgspec.Struct):
    number: int


class Model(pydantic.BaseModel):
    number: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("你好", "你好"),
        ("", ""),
        ("half \ud800", "half ?"),
        (None, "null"),
        (7, "7"),
        ({"a": [1, "你"]}, '{"a":[1,"你"]}'),
        (["\ud800"], '["\\ud800"]'),
        (Ticket(7), '{"number":7}'),
        (Model(number=7), '{"number":7}'),
        ({1}, "[1]"),
    ],
)
def test_a_text_stays_and_anything_else_is_json(value: Any, text: str) -> None:
    assert to_text(value, 1000) == text


@pytest.mark.parametrize("value", [object(), print, {"a": object()}, {(1, 2): 3}, [float("nan"), "\ud800"]])
def test_what_json_cannot_express_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        to_text(value, 1000)


@given(st.text(min_size=1), st.integers(1, 40))
def test_a_longer_text_is_cut_between_characters_and_says_so(text: str, most: int) -> None:
    size = len(text.encode(errors="replace"))
    made = to_text(text, most)
    if size <= most:
        assert "cut here" not in made
        return
    kept, _, sentence = made.rpartition("\n")
    assert text.encode(errors="replace").decode().startswith(kept)
    assert len(kept.encode()) <= most < len(kept.encode()) + 4
    assert sentence == f"[The result was cut here: it has {size} bytes, of which {most} are shown.]"
