"""A log that nobody reads, or that cannot be written, costs lines and nothing else."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest

from sluice.service.observability import log_queue
from sluice.service.observability.log_queue import QueuedFileHandler, QueuedStream, dropped_lines, queue_files
from sluice.service.observability.logging import LineFormatter, format_dropped
from tests.support.polling import wait_until

# More than such a pipe holds.
SMALL_PIPE = 4096


class Pipe:
    """A pipe as small as can be, and the stream before it."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, SMALL_PIPE)
        self.stream = QueuedStream(self.writer)
        self._read = b""

    def read_until(self, wanted: bytes, within: float = 5.0) -> bytes:
        """Read until this has come, and return all that was read so far."""
        deadline = time.monotonic() + within
        while wanted not in self._read:
            assert select.select([self.reader], [], [], max(0.0, deadline - time.monotonic()))[0], self._read[-500:]
            self._read += os.read(self.reader, 65536)
        return self._read

    def close(self) -> None:
        """End the stream's thread, which cannot wait without a reader, and close both ends."""
        if self.reader >= 0:
            os.close(self.reader)
        self.stream._lines.put(None)  # closes the writing end
        if self.stream._thread is not None:
            self.stream._thread.join(5)
            assert not self.stream._thread.is_alive()
        else:
            os.close(self.writer)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Such a pipe."""
    made = Pipe()
    yield made
    made.close()


@pytest.fixture
def small_queue(monkeypatch: pytest.MonkeyPatch) -> int:
    """A bound of 10,000 characters."""
    monkeypatch.setattr(log_queue, "MOST_WAITING", 10_000)
    return 10_000


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer: by an alarm, as it would wait for ever."""

    def give_up(*_: object) -> None:
        raise AssertionError(f"not over within {seconds} s")

    usual = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)


def test_lines_come_out_as_they_went_in(pipe: Pipe) -> None:
    print("one", "你好 🙂", "\udc80", file=pipe.stream)
    pipe.stream.write("two ")
    pipe.stream.write("halves\nthree\nwith")
    pipe.stream.write("out an end")
    pipe.stream.flush()
    pipe.stream.flush()
    pipe.stream.write("\n")
    assert pipe.read_until(b"end\n").decode() == "one 你好 🙂 \\udc80\ntwo halves\nthree\nwithout an end\n"


def test_lines_that_wait_are_written_together_but_not_more_than_a_pipe_takes_as_one_piece(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_queue, "PAUSE", 0.3)
    pieces: list[bytes] = []
    real_write = os.write

    def note(descriptor: int, data: bytes) -> int:
        if descriptor == pipe.writer:
            pieces.append(bytes(data))
        return real_write(descriptor, data)

    monkeypatch.setattr(os, "write", note)
    pipe.stream.write("the first\n")
    # Not delayed by the pause, which begins behind it.
    pipe.read_until(b"the first\n", within=0.25)
    lines = [f"line {number} {'x' * 90}\n" for number in range(100)]
    for line in lines:
        pipe.stream.write(line)
    pipe.read_until(lines[-1].encode())
    assert b"".join(pieces).decode() == "".join(["the first\n", *lines])
    assert max(map(len, pieces)) <= select.PIPE_BUF
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert len(pieces) <= 6


def test_a_writer_never_waits_for_a_reader_and_what_is_too_much_is_counted_and_said(
    pipe: Pipe, small_queue: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = 0
    real_write = os.write

    def note(descriptor: int, data: bytes) -> int:
        nonlocal given
        given += len(data) if descriptor == pipe.writer else 0
        return real_write(descriptor, data)

    monkeypatch.setattr(os, "write", note)
    before = dropped_lines()
    pipe.stream.format_dropped = lambda lines: f"{lines} dropped\n"
    for number in range(60):
        pipe.stream.write(f"line {number} {'x' * 90}\n")
    # From then on, nothing leaves the queue.
    wait_until(lambda: given > SMALL_PIPE, 5, "a piece that the pipe has no room for")
    with within(5):
        for number in range(60, 1000):
            pipe.stream.write(f"line {number} {'x' * 90}\n")
    dropped = dropped_lines() - before
    assert 1000 - (given + small_queue) / 90 <= dropped < 1000
    text = pipe.read_until(f"{dropped} dropped\n".encode()).decode()
    kept = [int(line.split()[1]) for line in text.splitlines() if line.startswith("line ")]
    # The oldest are kept, in their order and whole.
    assert kept == list(range(1000 - dropped))
    pipe.stream.write("and on\n")
    assert pipe.read_until(b"and on\n").decode().endswith("dropped\nand on\n")


def test_many_threads_lose_and_mix_no_line(pipe: Pipe) -> None:
    def write(name: str) -> None:
        for number in range(200):
            pipe.stream.write(f"{name} {number}\n")

    threads = [threading.Thread(target=write, args=(f"thread-{index}",)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.stream.write("the last\n")
    lines = pipe.read_until(b"the last\n").decode().splitlines()[:-1]
    for index in range(8):
        own = [line for line in lines if line.startswith(f"thread-{index} ")]
        assert own == [f"thread-{index} {number}" for number in range(200)]
    assert len(lines) == 8 * 200


def test_a_reader_that_has_gone_costs_lines_and_nothing_else(pipe: Pipe) -> None:
    os.close(pipe.reader)
    pipe.reader = -1
    before = dropped_lines()
    with within(5):
        pipe.stream.write("one\ntwo\n")
        assert pipe.stream.wait_written(5.0)
    assert dropped_lines() == before + 2


def test_a_pipe_that_somebody_made_nonblocking_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    for number in range(200):
        pipe.stream.write(f"{number} {'x' * 90}\n")
    lines = pipe.read_until(b"\n199 " + b"x" * 90 + b"\n").decode().splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(200))


def test_a_signal_handler_may_write_while_its_own_thread_writes(pipe: Pipe) -> None:
    def handle(*_: object) -> None:
        pipe.stream.write("handled\n")

    usual = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    reads = threading.Thread(target=pipe.read_until, args=(b"the last\n",))
    reads.start()
    try:
        for number in range(5000):
            pipe.stream.write(f"line {number}\n")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)
        pipe.stream.write("the last\n")
        reads.join(10)
    assert not reads.is_alive()
    assert b"handled\n" in pipe.read_until(b"the last\n")


def test_a_signal_handler_may_write_while_the_thread_starts_and_starts_no_other(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_start = threading.Thread.start
    started: list[threading.Thread] = []

    def interrupted(thread: threading.Thread) -> None:
        started.append(thread)
        if len(started) == 1:
            pipe.stream.write("handled\n")
        real_start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    pipe.stream.write("line\n")
    assert pipe.read_until(b"line\n") == b"handled\nline\n"
    assert started == [pipe.stream._thread]


def test_a_signal_handler_may_write_while_the_thread_is_made_and_starts_no_other(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_init = threading.Thread.__init__
    made: list[threading.Thread] = []

    def interrupted(thread: threading.Thread, *args: Any, **kwargs: Any) -> None:
        made.append(thread)
        if len(made) == 1:
            pipe.stream.write("handled\n")
        real_init(thread, *args, **kwargs)

    monkeypatch.setattr(threading.Thread, "__init__", interrupted)
    pipe.stream.write("line\n")
    assert pipe.read_until(b"line\n") == b"handled\nline\n"
    assert made == [pipe.stream._thread]


def test_half_a_line_is_not_ended_by_a_signal_handlers(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    real_put = pipe.stream._put

    def interrupted(text: str) -> None:
        monkeypatch.setattr(pipe.stream, "_put", real_put)
        pipe.stream.write("handled\n")
        real_put(text)

    pipe.stream.write("half ")
    monkeypatch.setattr(pipe.stream, "_put", interrupted)
    pipe.stream.write("a line\nand half ")
    pipe.stream.write("of the next\n")
    assert pipe.read_until(b"next\n") == b"handled\nhalf a line\nand half of the next\n"


def test_signals_are_left_to_the_main_thread(pipe: Pipe) -> None:
    pipe.stream.write("line\n")
    assert pipe.stream._thread is not None
    pipe.read_until(b"line\n")
    status = Path(f"/proc/self/task/{pipe.stream._thread.native_id}/status").read_text()
    blocked = int(next(line for line in status.splitlines() if line.startswith("SigBlk")).split()[1], 16)
    assert all(blocked >> (number - 1) & 1 for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_a_line_without_end_is_cut(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_queue, "LONGEST_LINE", 100)
    for _ in range(30):
        pipe.stream.write("x" * 10)
    pipe.stream.flush()
    assert sum(map(len, pipe.read_until(b"x\nx").decode().splitlines())) >= 100


def test_a_forked_child_writes_its_own_lines_and_none_of_its_parents(pipe: Pipe) -> None:
    pipe.stream.write("half of the parent's ")
    child = os.fork()
    if not child:
        pipe.stream.write("of the child\n")
        os._exit(0 if pipe.stream.wait_written(5.0) and dropped_lines() == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    pipe.stream.write("line\n")
    assert pipe.read_until(b"parent's line\n").decode() == "of the child\nhalf of the parent's line\n"


def test_the_request_of_a_line_is_that_of_the_thread_that_wrote_it(pipe: Pipe) -> None:
    from sluice.service.observability.logging import request_id

    handler = logging.StreamHandler(pipe.stream)
    handler.setFormatter(LineFormatter(()))
    token = request_id.set("request-7")
    try:
        handler.handle(logging.makeLogRecord({"name": "sluice", "levelname": "INFO", "msg": "handled"}))
    finally:
        request_id.reset(token)
    assert b"INFO sluice [request-7] handled\n" in pipe.read_until(b"handled\n")


def test_what_was_dropped_is_logged_in_the_logs_form() -> None:
    line = Context().run(format_dropped, LineFormatter(()), 7)
    assert "WARNING sluice.log [-] 7 lines of the log were dropped" in line
    assert line.endswith("\n")
    assert line.count("\n") == 1


# --------------------------------------------------------------------------------------------------- at the exit


def python(script: str, **how: object) -> subprocess.Popen[bytes]:
    lines = "from sluice.service.observability.log_queue import *\nimport os, sys, logging, threading\n" + script
    return subprocess.Popen([sys.executable, "-c", lines], **how)  # type: ignore[call-overload, no-any-return]


def test_all_that_was_written_comes_out_before_a_process_ends() -> None:
    process = python("queue_standard_streams()\nfor n in range(2000): print(n)\n", stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=20)
    assert out.decode().split() == [str(number) for number in range(2000)]


def test_a_process_ends_though_nobody_reads_what_it_wrote() -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, SMALL_PIPE)
    script = "queue_standard_streams()\nfor n in range(2000): print('x' * 90, file=sys.stderr)\nraise SystemExit(7)\n"
    process = python(script, stderr=writer)
    try:
        assert process.wait(15) == 7
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)


def test_a_closed_stderr_is_never_the_next_socket(tmp_path: Path) -> None:
    script = (
        "import socket\n"
        "queue_standard_streams()\n"
        "ours, theirs = socket.socketpair()\n"
        "assert min(ours.fileno(), theirs.fileno()) > 2\n"
        "print('to stderr', file=sys.stderr)\n"
        "logging.warning('logged')\n"
        f"open({str(tmp_path / 'done')!r}, 'w').close()\n"
    )
    process = python(script, preexec_fn=lambda: [os.close(number) for number in range(3)])
    assert process.wait(20) == 0
    assert (tmp_path / "done").exists()


def test_an_error_that_ends_a_process_is_still_shown() -> None:
    process = python("queue_standard_streams()\nraise ValueError('the reason')\n", stderr=subprocess.PIPE)
    _, said = process.communicate(timeout=20)
    assert said.decode().endswith("ValueError: the reason\n")
    process = python("queue_standard_streams()\nsys.exit('a sentence')\n", stderr=subprocess.PIPE)
    assert process.communicate(timeout=20)[1].decode() == "a sentence\n"


# ---------------------------------------------------------------------------------------------------------- files


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger that writes to a file as gunicorn makes them, in a queue; closed after the test."""
    made = logging.getLogger("sluice.test-log-queue")
    made.propagate = False
    made.setLevel(logging.INFO)
    yield made
    for handler in list(made.handlers):
        made.removeHandler(handler)
    queue_files(made)
    made.propagate = True
    wait_threads_gone()


def wait_threads_gone() -> None:
    for thread in threading.enumerate():
        if thread.name == "sluice-log":
            thread.join(5)
            assert not thread.is_alive()


def queued(logger: logging.Logger) -> QueuedFileHandler:
    """Return the handler of the file; pytest has one of its own beside it."""
    (found,) = (handler for handler in logger.handlers if isinstance(handler, logging.FileHandler))
    assert isinstance(found, QueuedFileHandler)
    return found


def written(logger: logging.Logger) -> None:
    stream = queued(logger).stream
    assert isinstance(stream, QueuedStream)
    assert stream.wait_written(5.0)


def of_gunicorn(path: str) -> logging.FileHandler:
    handler = logging.FileHandler(path)
    handler._gunicorn = True  # type: ignore[attr-defined]
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler


def test_a_file_is_reopened_by_rotation_as_gunicorn_does_it(logger: logging.Logger, tmp_path: Path) -> None:
    path = tmp_path / "log"
    logger.addHandler(of_gunicorn(str(path)))
    queue_files(logger)
    handler = queued(logger)
    assert handler._gunicorn is True  # type: ignore[attr-defined]
    logger.info("before")
    path.rename(tmp_path / "log.1")
    handler.acquire()
    handler.close()
    handler.stream = handler._open()
    handler.release()
    logger.info("after")
    written(logger)
    assert path.read_text() == "after\n"
    wait_until(lambda: (tmp_path / "log.1").read_text() == "before\n", 5)


def test_a_full_disk_costs_lines_and_nothing_else(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logger.addHandler(of_gunicorn("/dev/full"))
    queue_files(logger)
    before = dropped_lines()
    logger.info("one")
    logger.info("two")
    written(logger)
    assert dropped_lines() == before + 2
    handler = queued(logger)
    # gunicorn's own would raise here, in its master.
    handler.close()
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_opened_is_tried_again(logger: logging.Logger, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    logger.addHandler(of_gunicorn(str(folder / "log")))
    queue_files(logger)
    handler = queued(logger)
    (folder / "log").unlink()
    folder.rmdir()
    handler.close()
    handler.stream = handler._open()
    logger.info("lost")
    written(logger)
    folder.mkdir()
    logger.info("found")
    written(logger)
    assert (folder / "log").read_text().startswith("found\n")
    assert "1 lines of the log were dropped" in (folder / "log").read_text()


def test_a_file_of_before_is_closed_when_gunicorn_has_set_up_its_log_again(
    logger: logging.Logger, tmp_path: Path
) -> None:
    before = set(threading.enumerate())
    for _ in range(3):
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.addHandler(of_gunicorn(str(tmp_path / "log")))
        queue_files(logger)
        logger.info("line")
        written(logger)
    wait_until(lambda: [thread.name for thread in set(threading.enumerate()) - before] == ["sluice-log"], 5)


def test_a_stream_has_what_others_look_for() -> None:
    stream = QueuedStream(2)
    assert (stream.fileno(), stream.encoding, stream.writable(), stream.readable()) == (2, "utf-8", True, False)
    assert isinstance(stream.isatty(), bool)
    with pytest.raises(io.UnsupportedOperation):
        QueuedStream(17).buffer  # noqa: B018
