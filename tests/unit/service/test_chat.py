"""The record of a chat that hooks replace."""

from __future__ import annotations

import pytest

from sluice import Chat


@pytest.mark.parametrize("field", ["model", "messages", "stream", "stream_options"])
def test_a_chat_with_a_field_of_the_services_own_in_extra_is_refused_by_its_name(field: str) -> None:
    chat = Chat(messages=(), model="m")
    assert chat.replace(extra={"temperature": 0.2}).extra == {"temperature": 0.2}
    with pytest.raises(ValueError, match=rf"^`extra` has {field}; it should have further fields"):
        chat.replace(extra={"temperature": 0.2, field: "x"})


def test_the_system_message_comes_before_the_conversation() -> None:
    chat = Chat(messages=[{"role": "user", "content": "Hi"}], model="m")
    assert chat.prompt == [{"role": "user", "content": "Hi"}]
    assert chat.replace(system="Be brief.").prompt[0] == {"role": "system", "content": "Be brief."}
