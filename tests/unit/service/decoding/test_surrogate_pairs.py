"""A character whose two surrogates came in two texts is one character."""

from __future__ import annotations

import pytest

from sluice.service.decoding.surrogate_pairs import SurrogateJoiner

HIGH, LOW = "\ud83d", "\ude00"


@pytest.mark.parametrize(
    ("texts", "joined", "held"),
    [
        (["a"], ["a"], ""),
        ([HIGH + LOW], ["\U0001f600"], ""),
        (["a" + HIGH, LOW + "b"], ["a", "\U0001f600b"], ""),
        ([HIGH, LOW], ["", "\U0001f600"], ""),
        ([HIGH, "b"], ["", HIGH + "b"], ""),
        ([HIGH, HIGH, LOW], ["", HIGH, "\U0001f600"], ""),
        ([LOW, HIGH], [LOW, ""], HIGH),
    ],
)
def test_pairs_are_joined_and_a_high_surrogate_is_held_back(texts: list[str], joined: list[str], held: str) -> None:
    joiner = SurrogateJoiner()
    assert [joiner.join(text) for text in texts] == joined
    assert joiner.finish() == held
    assert joiner.finish() == ""
