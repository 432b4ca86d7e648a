"""The text of a message, whatever its content is made of."""

from __future__ import annotations

from sluice.service.message import Message, text_of

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def test_a_message_of_parts_has_the_text_of_those_that_are_text() -> None:
    parts = [{"type": "text", "text": "What is"}, IMAGE, {"type": "text", "text": "this?"}]
    assert text_of(Message(role="user", content=parts)) == "What is\n\nthis?"


def test_a_message_without_text_has_an_empty_one() -> None:
    assert text_of(Message(role="user", content=[IMAGE])) == ""
    assert text_of(Message(role="assistant", content=None)) == ""
