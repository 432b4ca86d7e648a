"""The application as it is, with a few more routes: some break it on purpose, one shows what it holds.

Served by real gunicorn in place of `wsgi:app`. Nothing here is ever part of a deployment.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request, stream_with_context
from werkzeug.wsgi import ClosingIterator

from sluice.service.chat import CurrentChat
from sluice.service.concurrency import deadline
from sluice.service.events.events import Text
from sluice.service.provider import connection
from sluice.service.provider.completion_reader import CompletionReader
from sluice.service.runs.log import RunLog
from sluice.web import create_app
from sluice.web.extension_state import ExtensionState

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

#: Messages that are not passed on to the model: a defect of ours answers them.
DEFECT_AT_ONCE = "a defect at once"
DEFECT_AFTER_WORDS = "a defect after words"
DEFECT_WHILE_ENCODING = "a defect while encoding"
#: And one that finds no memory.
NO_MEMORY = "no memory"

#: A header of a request whose reply somebody's hook behind the view takes, by one of `HOOKS`.
BEHIND_THE_VIEW = "X-Fault"
#: The one of them that does nothing: its reply's body is wrapped by WSGI middleware.
MIDDLEWARE = "a middleware"
#: A comment of an event stream, before the frames of a hook that passes them on.
PASSED_ON = b": passed on\n\n"

#: A signal to a worker: its main thread is held until SIGTERM has come, and then a connection.
HOLD_MAIN_THREAD = signal.SIGRTMIN

#: A signal to a worker: accept(2) fails with each of these, once, and then works again.
FAIL_ACCEPT = signal.SIGRTMIN + 1
#: The last is none that the manual page knows.
ACCEPT_ERRORS = (
    errno.ENETDOWN,
    errno.EPROTO,
    errno.ENOPROTOOPT,
    errno.EHOSTDOWN,
    errno.ENONET,
    errno.EHOSTUNREACH,
    errno.EOPNOTSUPP,
    errno.ENETUNREACH,
    errno.ECONNABORTED,
    errno.EPERM,
    errno.EXDEV,
)
#: A signal to a worker: its listening socket is none any more.
BREAK_LISTENER = signal.SIGRTMIN + 2
#: A signal to a worker: when it begins to end its streams, another SIGQUIT comes.
QUIT_TWICE = signal.SIGRTMIN + 3
#: A signal to a worker: SIGQUIT comes while the main thread holds the lock of the pool of threads.
QUIT_WHILE_POOL_IS_LOCKED = signal.SIGRTMIN + 4
#: A signal to a worker: its loop dies.
KILL_LOOP = signal.SIGRTMIN + 5


def _passing_on(frames: Iterable[bytes]) -> Iterator[bytes]:
    yield PASSED_ON
    yield from frames


def _looping_over(frames: Iterable[bytes]) -> Iterator[bytes]:
    """Unlike `yield from`, a loop closes nothing."""
    yield PASSED_ON
    for frame in frames:  # noqa: UP028
        yield frame


def _fail(_: Response) -> Response:
    raise LookupError("a defect")


def _with_odd_header(response: Response) -> Response:
    response.headers["Odd Name"] = "x"
    return response


def _with_data(response: Response) -> Response:
    response.direct_passthrough = False
    response.set_data(b"another body")
    return response


def _with_body(body: Any) -> Callable[[Response], Response]:
    def change(response: Response) -> Response:
        response.response = body(response.response)
        return response

    return change


#: What a hook does to the response, where nothing of the answer is sent any more.
LOSING_HOOKS: dict[str, Callable[[Response], Response]] = {
    "another response": lambda _: Response(b"another body"),
    "another response, streamed": lambda _: Response(iter([b"another ", b"body"])),
    "another response, passed through": lambda _: Response(iter([b"another ", b"body"]), direct_passthrough=True),
    "another body": _with_body(lambda _: [b"another body"]),
    "another body, streamed": _with_body(lambda _: iter([b"another ", b"body"])),
    "other data": _with_data,
}
#: And where it is made of the answer's frames.
PASSING_HOOKS: dict[str, Callable[[Response], Response]] = {
    "another response of its frames": lambda old: Response(_passing_on(old.response), headers=old.headers),
    "another response of its frames, in a loop": lambda old: Response(
        _looping_over(old.response), headers=old.headers
    ),
    "another response of its frames, passed through": lambda old: Response(
        _looping_over(old.response), headers=old.headers, direct_passthrough=True
    ),
    "another response with context": lambda old: Response(
        stream_with_context(_passing_on(old.response)), headers=old.headers
    ),
    "another body of its frames": _with_body(_passing_on),
    "another body of its frames, in a loop": _with_body(_looping_over),
    MIDDLEWARE: lambda response: response,
    "another body with context": _with_body(lambda frames: stream_with_context(_passing_on(frames))),
}
#: And where it never comes to that.
FAILING_HOOKS: dict[str, Callable[[Response], Response]] = {
    "a defect": _fail,
    "a header that no server sends": _with_odd_header,
}
HOOKS = {**LOSING_HOOKS, **PASSING_HOOKS, **FAILING_HOOKS}


class LongestTurn:
    """Measures how long the loop's turns are, in processor time: it does not depend on what else the machine does."""

    def __init__(self) -> None:
        self._since = self._longest = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Measure from now on. On the loop's thread."""
        self.end()
        self._longest, self._since = 0.0, time.thread_time()
        self._tick()

    def end(self) -> float:
        """Stop, and return the processor time of the longest turn since `begin`, in seconds. On the loop's thread."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return self._longest

    def _tick(self) -> None:
        now = time.thread_time()
        self._longest, self._since = max(self._longest, now - self._since), now
        # A timer is looked at once in each turn, so there is at most one whole turn between two ticks.
        self._timer = asyncio.get_running_loop().call_later(0.001, self._tick)


def _add_faults(app: Flask) -> Flask:
    service = ExtensionState.of(app).service
    honest: Callable[..., Awaitable[None]] = service.stream_chat

    async def fail(said: str, log: RunLog) -> None:
        if said == NO_MEMORY:
            raise MemoryError
        if said != DEFECT_AT_ONCE:
            log.append([Text("Hello")])
            # Later than the first write, so that it cannot be said with a status any more.
            await asyncio.sleep(0.2)
        if said == DEFECT_WHILE_ENCODING:
            log.append([Text(b"not text")])  # type: ignore[arg-type]
        raise LookupError("a defect")

    async def stream_chat(current: CurrentChat, log: RunLog, *rest: Any) -> None:
        said = current.chat.messages[-1]["content"]
        if said in (DEFECT_AT_ONCE, DEFECT_AFTER_WORDS, DEFECT_WHILE_ENCODING, NO_MEMORY):
            await fail(said, log)
        else:
            await honest(current, log, *rest)

    service.stream_chat = stream_chat  # type: ignore[method-assign, assignment]

    @app.after_request
    def take(response: Response) -> Response:
        name = request.headers.get(BEHIND_THE_VIEW)
        return response if name is None else HOOKS[name](response)

    inside = app.wsgi_app

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = inside(environ, start_response)
        if environ.get("HTTP_X_FAULT") != MIDDLEWARE:
            return body
        return ClosingIterator(_passing_on(body), getattr(body, "close", None))

    app.wsgi_app = middleware  # type: ignore[method-assign]

    @app.get("/faults/held")
    def held() -> Response:
        """What the oracle cannot see from outside."""
        loop = service.loop._loop
        tasks = [] if loop is None else [repr(task) for task in asyncio.all_tasks(loop)]
        # Those of the pool stay, however many it has started.
        names = [thread.name for thread in threading.enumerate()]
        others = [name for name in names if not name.startswith("ThreadPoolExecutor")]
        return jsonify(pid=os.getpid(), tasks=tasks, threads=others, waiting=service.health().waiting)

    @app.get("/faults/environ")
    def environ() -> Response:
        """What the server made of a request's line and headers."""
        names = ("wsgi.url_scheme", "REMOTE_ADDR", "SCRIPT_NAME", "SERVER_NAME", "REMOTE_USER")
        return jsonify({name: request.environ[name] for name in names if name in request.environ})

    @app.get("/faults/no-memory")
    def no_memory() -> Response:
        raise MemoryError

    @app.post("/faults/read")
    def read() -> Response:
        """Read a body on the request's thread, as a route of a host application that takes files."""
        return jsonify(size=len(request.get_data()))

    @app.post("/faults/log")
    def log() -> Response:
        """Log as much as a pipe that nobody reads does not hold, or as much as is asked for."""
        for number in range(int(request.args["lines"])):
            logging.getLogger("sluice.faults").info("line %d %s", number, "x" * 200)
        print("printed " + "y" * 200)
        print("printed " + "z" * 200, file=sys.stderr)
        return jsonify(pid=os.getpid())

    def die() -> None:
        raise SystemExit("a fault")

    @app.post("/faults/kill-loop")
    def kill_loop() -> Response:
        service.loop.call_soon(die)
        return jsonify(pid=os.getpid())

    signal.signal(KILL_LOOP, lambda *_: service.loop.call_soon(die))

    @app.post("/faults/block-loop")
    def block_loop() -> Response:
        service.loop.call_soon(time.sleep, float(request.args["seconds"]))
        return jsonify(pid=os.getpid())

    usual_reads, usual_recheck = connection.FAST_READS, deadline.RECHECK
    usual_consume = CompletionReader.consume

    @app.post("/faults/reads")
    def change_reads() -> Response:
        """Let the tasks that read answers wait as usual; or read all the time, and be woken by each read.

        Then a timer that finds its task at work is not set again either.
        """

        def wake(reader: CompletionReader, data: bytes) -> bool:
            usual_consume(reader, data)
            return False

        waits = request.args["waits"] == "yes"
        CompletionReader.consume = usual_consume if waits else wake  # type: ignore[method-assign]
        connection.FAST_READS = usual_reads if waits else 10**9
        deadline.RECHECK = usual_recheck if waits else 3600.0
        return jsonify(pid=os.getpid())

    turns = LongestTurn()

    @app.post("/faults/turns")
    def measure_turns() -> Response:
        """Return the longest turn since the last such request, and begin again."""

        async def measure() -> float:
            longest = turns.end()
            if request_ends:
                return longest
            turns.begin()
            return longest

        request_ends = "end" in request.args
        return jsonify(seconds=service.loop.submit(measure()).result(60))

    def hold_main_thread(*_: object) -> None:
        """Wait, as on a machine that is busy, until the worker has been told to leave and then has a new client.

        And for longer than the main loop waits for events: then it looks for none when it goes on.
        """
        worker = signal.getsignal(signal.SIGTERM).__self__  # type: ignore[union-attr]  # gunicorn's own handler
        print("the main thread is held", flush=True)
        events_end = time.monotonic() + 1.1
        give_up = time.monotonic() + 10
        while worker.alive and time.monotonic() < give_up:
            select.select([], [], [], 0.01)
        print("the main thread is told", flush=True)
        select.select([worker.sockets[0]], [], [], 10)
        select.select([], [], [], max(0.0, events_end - time.monotonic()))

    signal.signal(HOLD_MAIN_THREAD, hold_main_thread)

    def fail_accept(errors: Sequence[int]) -> None:
        """Put these before what the listening socket does; it is gunicorn's wrapping, which passes everything on."""
        worker = signal.getsignal(signal.SIGTERM).__self__  # type: ignore[union-attr]
        (listener,) = worker.sockets
        left = list(errors)

        def accept() -> Any:
            if left:
                number = left.pop(0)
                raise OSError(number, os.strerror(number))
            return listener.sock.accept()

        listener.accept = accept

    signal.signal(FAIL_ACCEPT, lambda *_: fail_accept(ACCEPT_ERRORS))

    def quit_twice(*_: object) -> None:
        sluice = ExtensionState.of(app)
        close = sluice.close

        def close_and_be_quit() -> bool:
            os.kill(os.getpid(), signal.SIGQUIT)
            return close()

        sluice.close = close_and_be_quit  # type: ignore[method-assign]

    signal.signal(QUIT_TWICE, quit_twice)

    # Before any handler of Sluice's own: gunicorn's is a method of the worker.
    worker = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)

    def quit_while_pool_is_locked(*_: object) -> None:
        with worker.tpool._shutdown_lock:  # type: ignore[union-attr]
            signal.raise_signal(signal.SIGQUIT)

    signal.signal(QUIT_WHILE_POOL_IS_LOCKED, quit_while_pool_is_locked)
    signal.signal(BREAK_LISTENER, lambda *_: fail_accept([errno.EINVAL] * 1000))

    @app.get("/faults/raise")
    def raise_after_headers() -> Response:
        def body() -> Iterator[bytes]:
            yield b"a beginning"
            raise LookupError("a defect in somebody's generator")

        return Response(body())

    return app


app = _add_faults(create_app())
