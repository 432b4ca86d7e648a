"""A client that disconnects in the middle of an answer, and how soon the model call ends."""

from __future__ import annotations

import time
from collections.abc import Callable

from tools.common.raw_client import RawClient, stream_chat
from tools.common.scripted_model import ScriptedModel


def measure_abort(
    url: str, model: ScriptedModel, disconnect: Callable[[RawClient], None] = RawClient.close, *, number: int = 1
) -> float:
    """Disconnect after an answer's first token, and wait until the model's server notices the end of its call.

    Args:
        url: Where to chat.
        model: Its next answer stalls after a token.
        disconnect: How the client ends the connection.
        number: The call's number among those that the model has received.

    Returns:
        The seconds from the disconnect to the end of the call.
    """
    with stream_chat(url) as client:
        assert client.next_event().message
        exchange = model.wait_for_request(number)
        disconnected_at = time.monotonic()
        disconnect(client)
        return exchange.wait_aborted() - disconnected_at
