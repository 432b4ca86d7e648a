"""One test of the running server for the daily loop: the page, a streamed chat, a block chat and health."""

from __future__ import annotations

from tests.support.running_server import RunningServer
from tools.common.raw_client import fetch, post_chat, stream_chat
from tools.common.scripted_model import reply


def test_the_server_serves_the_page_both_kinds_of_chat_and_its_health(running_server: RunningServer) -> None:
    running_server.model.enqueue(reply("Hel", "lo"), reply("Hello ", "again"))
    assert "<title>" in fetch(running_server.url, "/").text
    with stream_chat(running_server.url, message="Hi") as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == ("Hello", True)
    block = post_chat(running_server.url, message="Hi", interaction_mode="block")
    assert (block.status, block.json()["message"]) == (200, "Hello again")
    assert [fetch(running_server.url, path).status for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3
