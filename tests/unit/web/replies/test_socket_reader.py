"""What the loop writes to a client's socket: whole, in part, to slow clients, and to clients that have gone."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from sluice.service.chat import Chat, CurrentChat
from sluice.service.concurrency.event_loop_thread import LoopThread
from sluice.service.errors import ShuttingDown
from sluice.service.events.events import Custom, Event, Finished, Text
from sluice.service.message import Message
from sluice.service.observability.metrics import Metrics
from sluice.service.runs.log import CAPACITY, RunLog
from sluice.service.runs.run import Run
from sluice.web.encoders.sluice_sse import encode_events
from sluice.web.replies.socket_reader import SocketReader
from sluice.web.replies.stream_body import StreamBody
from tests.support.polling import wait_until
from tests.unit.service.concurrency.loop_faults import Blocker, exit_the_thread, settle

WITHIN = 5.0
END = Finished("stop", None)
# Far more than two sockets' buffers hold.
LARGE = "x" * 8_000_000


def encode_plainly(events: Sequence[Event], first_number: int, request_id: str) -> bytes:
    """One line for each event: its number, and its text; none for events of the application."""
    return b"".join(
        b"%d %b\n" % (number, event.text.encode() if isinstance(event, Text) else type(event).__name__.encode())
        for number, event in enumerate(events, first_number)
        if not isinstance(event, Custom)
    )


class Stage:
    """A run whose source the test speaks for, and a reader that writes it to one end of a pair of sockets."""

    def __init__(self, loop: LoopThread, heartbeat: float, write_timeout: float, is_chunked: bool) -> None:
        self.loop = loop
        self.ended = threading.Event()
        self._steps: asyncio.Queue[Sequence[Event]] = asyncio.Queue()
        self.appended = 0
        chat = CurrentChat(Chat([Message(role="user", content="Hi")], "m", run_id="1"))
        self.run = Run(
            loop, self._say, Metrics("m"), current=chat, heartbeat=heartbeat, on_close=lambda run: self.ended.set()
        )
        self.server, self.client = socket.socketpair()
        self.server.settimeout(WITHIN)
        self.client.settimeout(WITHIN)
        self.is_done = threading.Event()
        self.threads: list[str] = []
        self.reader = SocketReader(
            self.run,
            encode_plainly,
            "1",
            self.server,
            is_chunked=is_chunked,
            write_timeout=write_timeout,
            on_done=self._done,
        )

    async def _say(self, log: RunLog) -> None:
        while True:
            events = await self._steps.get()
            log.append(events)
            self.appended += len(events)
            if log.has_ended:
                return
            await log.wait_room()

    def say(self, *events: Event) -> None:
        self.loop.call_soon(self._steps.put_nowait, events)

    def _done(self) -> None:
        assert not self.is_done.is_set()
        self.threads.append(threading.current_thread().name)
        self.is_done.set()

    def receive_until(self, end: bytes) -> bytes:
        received = bytearray()
        while not received.endswith(end):
            part = self.client.recv(1 << 20)
            assert part, bytes(received[-200:])
            received += part
        return bytes(received)

    def close(self) -> None:
        self.run.close()
        assert self.is_done.wait(WITHIN) or self.reader.is_aborted
        self.server.close()
        self.client.close()


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread("socket-loop", stuck_after=0.2)
    thread.start()
    yield thread
    assert thread.close()


@pytest.fixture
def stage(loop: LoopThread) -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(*, heartbeat: float = 60.0, write_timeout: float = 60.0, is_chunked: bool = False) -> Stage:
        made.append(Stage(loop, heartbeat, write_timeout, is_chunked))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_events_of_before_and_after_the_hand_over_are_written_in_order_and_the_end_is_told_once(
    stage: Callable[..., Stage],
) -> None:
    it = stage()
    it.say(Text("a"), Text("b"))
    wait_until(lambda: it.appended == 2, WITHIN)
    it.reader.follow()
    assert it.receive_until(b"b\n") == b"1 a\n2 b\n"
    it.say(Text("c"))
    it.say(END)
    assert it.receive_until(b"Finished\n") == b"3 c\n4 Finished\n"
    assert it.is_done.wait(WITHIN)
    assert it.threads == ["socket-loop"]
    assert it.reader.sent == len(b"1 a\n2 b\n3 c\n4 Finished\n")
    it.run.close()
    assert it.run.end().outcome == "done"


def test_a_write_is_one_chunk_where_the_body_is_chunked(stage: Callable[..., Stage]) -> None:
    it = stage(is_chunked=True)
    it.reader.follow()
    it.say(Text("hello"))
    assert it.receive_until(b"\n\r\n") == b"8\r\n1 hello\n\r\n"
    assert it.reader.sent == 8


def test_events_without_a_frame_do_not_end_a_chunked_body(stage: Callable[..., Stage]) -> None:
    it = stage(is_chunked=True)
    it.reader.follow()
    it.say(Custom("progress", b"0.5"))
    it.say(Text("hello"))
    assert it.receive_until(b"\n\r\n") == b"8\r\n2 hello\n\r\n"


def test_a_slow_client_gets_all_of_it_and_holds_the_source_back(stage: Callable[..., Stage]) -> None:
    it = stage()
    it.reader.follow()
    it.say(Text(LARGE))
    for number in range(2, 500):
        it.say(Text(str(number)))
    it.say(END)
    wait_until(lambda: it.appended > CAPACITY, WITHIN)
    settle(it.loop)
    assert it.appended == CAPACITY + 1
    received = it.receive_until(b"Finished\n").decode().split("\n")
    assert received[0] == f"1 {LARGE}"
    assert received[1:-2] == [f"{number} {number}" for number in range(2, 500)]
    assert it.is_done.wait(WITHIN)


def test_a_client_that_does_not_read_in_time_ends_the_run_as_a_disconnect(stage: Callable[..., Stage]) -> None:
    it = stage(write_timeout=0.1)
    it.reader.follow()
    it.say(Text(LARGE))
    assert it.is_done.wait(WITHIN)
    assert isinstance(it.reader.error, TimeoutError)
    wait_until(lambda: it.run.log.has_ended, WITHIN)
    it.run.close()
    assert it.run.end().outcome == "disconnected"


def test_a_client_that_has_gone_ends_the_run(stage: Callable[..., Stage]) -> None:
    it = stage()
    it.reader.follow()
    it.client.close()
    it.say(Text("a"))
    assert it.is_done.wait(WITHIN)
    assert isinstance(it.reader.error, BrokenPipeError)
    wait_until(lambda: it.run.log.has_ended, WITHIN)
    it.run.close()
    assert it.run.end().outcome == "disconnected"


@pytest.mark.parametrize("has_part", [True, False])
def test_a_disconnect_ends_the_reader_and_says_whether_a_part_of_a_frame_was_written(
    stage: Callable[..., Stage], has_part: bool
) -> None:
    it = stage()
    it.reader.follow()
    it.say(Text(LARGE if has_part else "a"))
    wait_until(lambda: it.appended == 1, WITHIN)
    it.run.disconnect()
    assert it.is_done.wait(WITHIN)
    assert (it.reader.error is not None) is has_part


def test_the_end_of_the_drain_is_written_behind_what_waits(stage: Callable[..., Stage]) -> None:
    it = stage()
    it.reader.follow()
    it.say(Text(LARGE))
    it.say(Text("b"))
    wait_until(lambda: it.appended == 2, WITHIN)
    it.run.stop(ShuttingDown("now"))
    assert it.receive_until(b"Failed\n").endswith(b"\n2 b\n3 Failed\n")
    assert it.is_done.wait(WITHIN)


def test_a_heartbeat_comes_where_nothing_was_written_for_its_time(stage: Callable[..., Stage]) -> None:
    it = stage(heartbeat=0.3)
    it.reader.follow()
    assert it.receive_until(b":\n\n") == b":\n\n"
    began = time.monotonic()  # before the write: what is received may be read late
    it.say(Text("a"))
    assert it.receive_until(b"a\n") == b"1 a\n"
    assert it.receive_until(b":\n\n") == b":\n\n"
    assert 0.25 < time.monotonic() - began < 0.3 + WITHIN


def test_an_event_that_cannot_be_encoded_ends_the_stream_with_a_frame(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    it = stage()
    it.reader._encode = encode_events
    it.reader.follow()
    it.say(Text(b"not text"))  # type: ignore[arg-type]
    assert b'"internal"' in it.receive_until(b"\n\n")
    assert it.is_done.wait(WITHIN)
    assert "unhandled exception in a stream" in caplog.text
    it.run.close()
    assert it.run.end().outcome == "error"


def test_a_reader_whose_loop_is_stuck_writes_nothing_behind_its_abort(
    loop: LoopThread, stage: Callable[..., Stage]
) -> None:
    it = stage()
    it.reader.follow()
    it.say(Text("a"))
    assert it.receive_until(b"\n") == b"1 a\n"
    blocker = Blocker(loop)
    it.say(Text("b"))
    wait_until(lambda: it.reader.has_lost_loop, WITHIN)
    assert it.reader.abort()
    blocker.let_go()
    wait_until(lambda: it.run.log.has_ended, WITHIN)
    it.server.sendall(b"the end")
    assert it.receive_until(b"the end") == b"the end"
    assert not it.is_done.is_set()


def test_the_body_of_a_stream_whose_loop_is_stuck_ends_with_one_frame_and_as_an_error(
    loop: LoopThread, stage: Callable[..., Stage]
) -> None:
    it = stage()
    body = StreamBody(it.run, "1")
    body.on_close(it.run.close)
    assert next(body) == b": ok\n\n"
    it.reader = body.detach(it.server, is_chunked=False, write_timeout=WITHIN, on_done=it._done)
    it.reader.follow()
    it.say(Text("a"))
    assert b'"message": "a"' in it.receive_until(b"\n\n")
    blocker = Blocker(loop)
    wait_until(lambda: it.reader.has_lost_loop, WITHIN)
    assert it.reader.abort()
    (frame,) = body
    assert frame.startswith(b"id: 2\n")
    assert b'"internal"' in frame
    assert it.run.end().outcome == "error"
    blocker.let_go()


def test_a_loop_that_dies_writes_the_end_or_leaves_it_to_the_one_who_aborts(
    loop: LoopThread, stage: Callable[..., Stage]
) -> None:
    it = stage()
    it.reader.follow()
    it.say(Text("a"))
    assert it.receive_until(b"\n") == b"1 a\n"
    loop.call_soon(exit_the_thread)
    wait_until(lambda: it.reader.has_lost_loop, WITHIN)
    assert it.reader.abort() is not it.is_done.is_set()
