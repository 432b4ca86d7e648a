"""A guard against getting slower that does not look at the clock: how many function calls a token costs.

Everything on a token's way is real: a model server behind a socket, the service with its loop, what writes the
reply, a client's socket. The model sends a token only when the one before has arrived, so that each is a read, an
event and a write of its own: the most that a token can cost.

Calls are counted by the interpreter itself (`sys.setprofile`): of Python functions, each resumption of a coroutine or
generator included, and of built-in ones. They do not depend on the machine or its load. A token's time does depend on
them: on the machine of docs/explanation/performance.md a call on this way costs about half a microsecond.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

import pytest

from sluice.service import Chat, ChatService, Run, Settings
from sluice.service.message import Message
from sluice.service.provider import connection
from sluice.service.settings.records.provider import ProviderSettings
from sluice.web.encoders.sluice_sse import encode_events
from sluice.web.replies.socket_reader import SocketReader

TOKENS = 100
WITHIN = 10.0
# What a token costs today on Python 3.11, and what of it is in our own files. A change that makes
# it cheaper lowers these; one that makes it dearer has to say why here.
PYTHON_CALLS = 18
OUR_CALLS = 13
BUILT_IN_CALLS = 35

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


_TOKEN = _chunk(b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n')
_END = _chunk(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n') + b"0\r\n\r\n"


class Model:
    """A model server for one request, which sends a token when it is told to."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._connection: socket.socket | None = None

    def accept(self) -> None:
        self._listener.settimeout(WITHIN)
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(WITHIN)
        received = b""
        while not received.partition(b"\r\n\r\n")[2].endswith(b"}"):
            received += self._connection.recv(65536)
        self._connection.sendall(_HEAD)

    def send(self, data: bytes) -> None:
        assert self._connection is not None
        self._connection.sendall(data)

    def close(self) -> None:
        self._listener.close()
        if self._connection is not None:
            self._connection.close()


class Reply:
    """A reply as the worker sends it: the loop writes it, and the client is at the other end of the socket."""

    def __init__(self, run: Run) -> None:
        self._server, self.client = socket.socketpair()
        self.client.settimeout(WITHIN)
        self._run = run
        self.is_done = threading.Event()
        reader = SocketReader(
            run,
            encode_events,
            "1",
            self._server,
            is_chunked=True,
            write_timeout=WITHIN,
            on_done=self.is_done.set,
        )
        reader.follow()

    def receive(self) -> bytes:
        return self.client.recv(65536)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._run.close()
        self.client.close()
        self._server.close()


class Calls:
    """Counts the calls of one thread between `begin` and `end`, which are to be called on it."""

    def __init__(self) -> None:
        self.python: Counter[str] = Counter()
        self.builtin: Counter[str] = Counter()

    def begin(self) -> None:
        sys.setprofile(self._count)

    def end(self) -> None:
        sys.setprofile(None)

    def _count(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            self.python[f"{frame.f_code.co_filename.rpartition('site-packages/')[2]}:{frame.f_code.co_qualname}"] += 1
        elif event == "c_call":
            self.builtin[argument.__qualname__] += 1


@pytest.fixture
def model() -> Iterator[Model]:
    server = Model()
    yield server
    server.close()


@pytest.fixture
def service(model: Model) -> Iterator[ChatService]:
    service = ChatService(Settings(provider=ProviderSettings(base_url=model.base_url, model="m", api_key="k")))
    yield service
    assert service.close()


@contextmanager
def counted(service: ChatService, calls: Calls) -> Iterator[None]:
    """Count the calls on the service's loop."""

    async def on_the_loop(function: Any) -> None:
        function()

    service.loop.submit(on_the_loop(calls.begin)).result(WITHIN)
    try:
        yield
    finally:
        service.loop.submit(on_the_loop(calls.end)).result(WITHIN)


def test_a_token_costs_no_more_calls_than_it_did(
    service: ChatService, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However fast this model is: one that is faster than a display would be read less often.
    monkeypatch.setattr(connection, "FAST_READ_SECONDS", 0.0)
    run = service.open(Chat([Message(role="user", content="hi")], "m", run_id="1"))
    with Reply(run) as reply:
        model.accept()
        for _ in range(2):  # what happens once is behind it
            model.send(_TOKEN)
            assert b"word " in reply.receive()
        calls = Calls()
        with counted(service, calls):
            for _ in range(TOKENS):
                model.send(_TOKEN)
                assert b"word " in reply.receive()
        model.send(_END)
        assert b'"done": true' in reply.receive()
        assert reply.is_done.wait(WITHIN)
    total = sum(count // TOKENS for count in calls.python.values())
    ours = sum(count // TOKENS for name, count in calls.python.items() if "/service/" in name or "/web/" in name)
    account = "\n".join(f"{count / TOKENS:5.2f} {name}" for name, count in calls.python.most_common(40))
    assert total <= PYTHON_CALLS, account
    assert ours <= OUR_CALLS, account
    built_in = sum(count // TOKENS for count in calls.builtin.values())
    assert built_in <= BUILT_IN_CALLS, calls.builtin.most_common(40)
