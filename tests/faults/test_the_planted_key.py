"""Row 15: the search for keys, which the fixture `key_detector` does in all fault tests, finds what there is."""

from __future__ import annotations

import pytest

from tests.support.fault_server import start_fault_server
from tests.support.key_detector import detect_keys
from tools.common.raw_client import post_chat, stream_chat
from tools.common.scripted_model import reply


@pytest.mark.parametrize("mode", ["stream", "block"])
def test_a_key_in_a_reply_and_a_key_in_a_log_are_found(mode: str) -> None:
    answered, logged = "as-the-model-has-it", "Booting worker"
    with detect_keys(answered, logged) as detector, start_fault_server(warm=0) as running_server:
        running_server.model.enqueue(reply(f"It is {answered}."))
        if mode == "block":
            assert post_chat(running_server.url, message="Hi", interaction_mode="block").json()["success"]
        else:
            with stream_chat(running_server.url) as client:
                assert client.read_stream()[1].is_done
    assert [place.partition(":")[0] for place in detector.seen_in] == ["a reply", "a log"]
    assert detector.bytes_read
    assert detector.log_lines
