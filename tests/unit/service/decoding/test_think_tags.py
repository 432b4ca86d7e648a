"""Reasoning between tags at the beginning of an answer: what of an earlier answer goes back to the model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.service.decoding.think_tags import ThinkTagSplitter, without_thinking


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        ("Hello", "Hello"),
        ("<think>Hmm</think>\n\nHello", "Hello"),
        (" \n<THINK>Hmm</THINK>Hello", "Hello"),
        ("<thinking>Hmm</thinking>Hello", "Hello"),
        ("<think></think>Hello", "Hello"),
        ("<think>Hmm", ""),
        ("Hmm\n</think>\n\nHello", "Hello"),
        ("Hmm.</think>Hello", "Hello"),
        ("It ends with `</think>`.", "It ends with `</think>`."),
        ('It ends with "</think>".', 'It ends with "</think>".'),
        ("First <think>b</think>", "First <think>b</think>"),
        ("First <think>b</think> and `</think>`", "First <think>b</think> and `</think>`"),
        ("<thinker>Hello", "<thinker>Hello"),
        ("", ""),
    ],
)
def test_an_earlier_answer_is_sent_without_its_reasoning(answer: str, sent: str) -> None:
    assert without_thinking(answer) == sent


TEXTS = st.lists(
    st.sampled_from(["<think>", "</think>", "<th", "ink>", "</", "think", ">", " ", "\n", "a", "<", "字"]),
    max_size=12,
)


@given(TEXTS)
def test_however_a_text_is_cut_it_is_split_the_same(texts: list[str]) -> None:
    def read(texts: list[str]) -> tuple[str, str]:
        splitter = ThinkTagSplitter()
        parts = [part for text in texts for part in splitter.split(text)] + splitter.finish()
        assert all(text for _, text in parts)
        reasoning = "".join(text for is_reasoning, text in parts if is_reasoning)
        return reasoning, "".join(text for is_reasoning, text in parts if not is_reasoning)

    whole = "".join(texts)
    assert read(texts) == read(list(whole)) == read([whole] if whole else [])
