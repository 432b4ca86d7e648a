"""The record of a chat that hooks replace."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sluice import Chat


@pytest.mark.parametrize("field", ["model", "messages", "stream", "stream_options"])
def test_a_chat_with_a_field_of_the_services_own_in_extra_is_refused_by_its_name(field: str) -> None:
    chat = Chat(messages=(), model="m")
    assert chat.replace(extra={"temperature": 0.2}).extra == {"temperature": 0.2}
    with pytest.raises(ValueError, match=rf"^`extra` has {field}; it should have further fields"):
        chat.replace(extra={"temperature": 0.2, field: "x"})


@pytest.mark.parametrize(
    ("system", "texts", "whole"),
    [
        (
            "Be brief.",
            ["You are a help desk.", "", None, "A document."],
            "Be brief.\n\nYou are a help desk.\n\nA document.",
        ),
        ("", ["You are a help desk."], "You are a help desk."),
        ("Be brief.", [None], "Be brief."),
        ("", [], ""),
    ],
)
def test_added_texts_stand_behind_the_system_message(system: str, texts: list[str | None], whole: str) -> None:
    chat = Chat(messages=(), model="m", system=system, user="ada")
    added = chat.add_system(*texts)
    assert (added.system, added.user, chat.system) == (whole, "ada", system)


def test_the_system_message_comes_before_the_conversation() -> None:
    chat = Chat(messages=[{"role": "user", "content": "Hi"}], model="m")
    assert chat.prompt == [{"role": "user", "content": "Hi"}]
    assert chat.replace(system="Be brief.").prompt[0] == {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("changes", "kind", "sentence"),
    [
        ({"model": None}, TypeError, "`model` is of type NoneType; it should be a text"),
        ({"model": ""}, ValueError, "`model` is empty; it should be the name of a model"),
        (
            {"system": None},
            TypeError,
            "`system` is of type NoneType; it should be a text; an empty text stands for none",
        ),
        ({"system": ["Be brief."]}, TypeError, "`system` is of type list; it should be a text"),
        ({"user": 7}, TypeError, "`user` is of type int; it should be a text"),
        ({"extra": None}, TypeError, "`extra` is of type NoneType; it should be a dict"),
        ({"context": []}, TypeError, "`context` is of type list; it should be a dict"),
        ({"messages": "Hi"}, TypeError, "`messages` is of type str; it should be a list of messages"),
        ({"messages": ["Hi"]}, TypeError, "each message should be a dict with `role` and `content`"),
        ({"mode": "sse"}, ValueError, "`mode` is 'sse'; it should be `stream` or `block`"),
    ],
)
def test_a_value_that_no_model_could_be_sent_is_refused_by_its_field(
    changes: dict[str, Any], kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=re.escape(sentence)):
        Chat(messages=(), model="m").replace(**changes)
