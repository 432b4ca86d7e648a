"""A streamed reply whose events are items of any asynchronous source, under the limits of chats."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from contextlib import ExitStack

from flask import request

from ...service import Chat
from ...service.observability.logging import request_id
from ..encoders.item_sse import encode_items
from ..encoders.sluice_sse import HEADERS
from ..extension_state import ExtensionState
from ..replies.run_guard import StreamResponse
from ..replies.stream_body import StreamBody
from ..security.client_address import identify_client
from ..security.sign_in import current_user_key
from ..sockets.client_socket import find_connection


def make_item_stream(
    state: ExtensionState,
    items: AsyncIterable[str],
    *,
    source: str,
    on_close: Callable[[], None] | None = None,
) -> StreamResponse:
    """Return a response that streams items as server-sent events. In a request's context, after its id was set.

    Args:
        state: What is kept for the application.
        items: Iterated on the loop, and closed there when the client disconnects.
        source: The kind of stream, for the log and the metrics.
        on_close: Called once, after the run has ended or where none was started.

    Raises:
        ServiceError: As `ExtensionState.require_thread` and `ChatService.open`.
    """
    with ExitStack() as stack:
        if on_close is not None:
            stack.callback(on_close)
        state.require_thread()
        run_id = request_id.get()
        chat = Chat(messages=(), model="-", source=source, run_id=run_id)
        client = current_user_key() or identify_client(request, state.service.settings)
        run = state.service.open_items(items, chat, client)
        stack.enter_context(state.hold(run, find_connection(request.environ)))
        body = StreamBody(run, run_id, encode_items)
        return StreamResponse(request, body, {**HEADERS, "X-Request-Id": run_id}, stack.pop_all().close)
