"""What `flask sluice doctor` asks a deployment: a paced stream on the chat's own path, and facts about the server.

The stream asks no model. It goes through the path of a chat: limiter, run, encoder, and the same URL, for which
proxies may have rules of their own. Who may chat may use it. A process has few of them at once, and each one ends.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import uuid4

import msgspec
from flask import Blueprint, Response, abort, request

from ... import __version__
from ...service.errors import Overloaded
from ..extension_state import ExtensionState
from ..request_errors import InvalidRequest
from ..sockets.client_socket import find_connection
from .item_stream import make_item_stream
from .json_response import make_uncached_response

#: Behind the path of the chat: asks for the paced stream.
QUERY: Final = b"doctor"
# Streams at once in a process. With fewer, the check could not see that a server has few threads.
MOST_STREAMS: Final = 8
# Ends of streams that are remembered, for the question when a disconnect was noticed.
MOST_RECORDS: Final = 64

# Variables of servers that do not name themselves otherwise.
_SERVERS = ("uwsgi.version", "mod_wsgi.version")


class PacedStream(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request for the paced stream."""

    #: Events, and the seconds between two of them.
    ticks: int = 10
    pause: float = 0.1
    #: Seconds without an event behind them.
    silence: float = 0.0

    @property
    def problem(self) -> str | None:
        """What is wrong with the values."""
        if not 1 <= self.ticks <= 50:
            return "ticks should be from 1 to 50."
        if not 0.0 <= self.pause <= 1.0:
            return "pause should be from 0 to 1 second."
        return None if 0.0 <= self.silence <= 120.0 else "silence should be from 0 to 120 seconds."


@dataclass
class _Record:
    is_open: bool = True
    #: When the server noticed that the client had disconnected, on the monotonic clock; None where it did not.
    noticed_at: float | None = None


class PacedStreams:
    """The paced streams of one process. Any thread may call the methods."""

    def __init__(self, state: ExtensionState) -> None:
        """Take the application's state."""
        self._state = state
        self._lock = threading.Lock()
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def answer(self) -> Response:
        """Answer the current request, whose origin and user were checked, by a paced stream.

        Raises:
            InvalidRequest: The body is of another form.
            Overloaded: Too many of them are open.
            ServiceError: As `make_item_stream`.
        """
        if self._state.service.settings.server.doctor == "off":
            abort(404)
        try:
            stream = msgspec.json.decode(request.get_data(cache=False) or b"{}", type=PacedStream)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"The body should describe a paced stream: {type(error).__name__}.") from None
        if stream.problem:
            raise InvalidRequest(stream.problem)
        name, record = self._add()
        # A proxy may have rules for the chat's path alone, so what it does there is told there.
        first = {"stream": name, "protocol": request.environ.get("SERVER_PROTOCOL", "")}
        # The end of the run notes a disconnect before `_close`. A source that never started notes nothing.
        ticks = _tick(stream, first, record)
        return make_item_stream(self._state, ticks, source="doctor", on_close=partial(_close, record))

    def find(self, name: str) -> _Record | None:
        """Return what became of a stream; None where this process does not know it."""
        return self._records.get(name)

    def _add(self) -> tuple[str, _Record]:
        with self._lock:
            if sum(record.is_open for record in self._records.values()) >= MOST_STREAMS:
                raise Overloaded(f"{MOST_STREAMS} streams of `doctor` are open in this process")
            while len(self._records) >= MOST_RECORDS:
                # An open one may be the oldest: then it is counted no more, of 64.
                self._records.popitem(last=False)
            name, record = uuid4().hex, _Record()
            self._records[name] = record
            return name, record


def _close(record: _Record) -> None:
    record.is_open = False


async def _tick(stream: PacedStream, first: dict[str, str], record: _Record) -> AsyncIterator[str]:
    is_whole = False
    try:
        yield json.dumps(first)
        for number in range(stream.ticks):
            await asyncio.sleep(stream.pause)
            yield json.dumps({"tick": number})
        await asyncio.sleep(stream.silence)
        is_whole = True
    finally:
        if not is_whole:
            record.noticed_at = time.monotonic()


def make_doctor_blueprint(state: ExtensionState, streams: PacedStreams) -> Blueprint:
    """Make the routes below `/api/doctor`: facts about this process, and what became of a paced stream."""
    blueprint = Blueprint("doctor", __name__)
    settings = state.service.settings

    @blueprint.before_request
    def refuse_if_off() -> None:
        if settings.server.doctor == "off":
            abort(404)

    @blueprint.get("/api/doctor")
    def describe_server() -> Response:
        environ = request.environ
        state.service.start()
        stored = state.service.stored
        return make_uncached_response(
            {
                "version": __version__,
                "server": environ.get("SERVER_SOFTWARE") or _server_without_name(environ),
                "worker": state.worker,
                "threads": state.threads,
                "has_threads": bool(environ.get("wsgi.multithread")),
                "has_client_socket": find_connection(environ) is not None,
                "max_streams": state.service.limiter.limit,
                "heartbeat": settings.limits.heartbeat_interval,
                "total_timeout": settings.limits.total_timeout,
                "workers": settings.server.workers,
                "store": settings.storage.kind,
                "store_answers": not stored.is_off and stored.is_reachable(),
            }
        )

    @blueprint.get("/api/doctor/<name>")
    def describe_stream(name: str) -> Response:
        record = streams.find(name)
        if record is None:
            abort(404)
        noticed = record.noticed_at
        return make_uncached_response({
            "open": record.is_open,
            "noticed_seconds_ago": None if noticed is None else time.monotonic() - noticed,
        })  # fmt: skip

    return blueprint


def _server_without_name(environ: dict[str, Any]) -> str:
    return next((name.partition(".")[0] for name in _SERVERS if name in environ), "")
