"""The application as it is, with a few more routes: some break it on purpose, one shows what it holds.

Served by real gunicorn in place of `wsgi:app`. Nothing here is ever part of a deployment.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from flask import Flask, Response, jsonify, request

from service.events import Event, Text
from web import create_app
from web.extension import Sluice

#: Messages that are not passed on to the model: a defect of ours answers them.
DEFECT_AT_ONCE = "a defect at once"
DEFECT_AFTER_WORDS = "a defect after words"
DEFECT_WHILE_ENCODING = "a defect while encoding"

#: A header of a request whose reply is lost behind the view, in somebody's hook.
DEFECT_BEHIND_THE_VIEW = "X-Sabotage"

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


def _sabotage(app: Flask) -> Flask:
    service = Sluice.of(app).service
    honest: Callable[..., AsyncIterator[Sequence[Event]]] = service.stream_chat

    async def defective(message: str) -> AsyncGenerator[list[Event], None]:
        if message != DEFECT_AT_ONCE:
            yield [Text("Hello")]
            # Later than the first write, so that it cannot be said with a status any more.
            await asyncio.sleep(0.2)
        if message == DEFECT_WHILE_ENCODING:
            yield [Text(b"not text")]  # type: ignore[arg-type]
        raise LookupError("a defect")

    def stream_chat(messages: Any, *rest: Any, **named: Any) -> AsyncIterator[Sequence[Event]]:
        said = messages[-1]["content"]
        if said in (DEFECT_AT_ONCE, DEFECT_AFTER_WORDS, DEFECT_WHILE_ENCODING):
            return defective(said)
        return honest(messages, *rest, **named)

    service.stream_chat = stream_chat  # type: ignore[method-assign, assignment]

    @app.after_request
    def lose(response: Response) -> Response:
        if DEFECT_BEHIND_THE_VIEW in request.headers:
            raise LookupError("a defect")
        return response

    @app.get("/sabotage/held")
    def held() -> Response:
        """What the oracle cannot see from outside."""
        loop = service.loop._loop
        tasks = [] if loop is None else [repr(task) for task in asyncio.all_tasks(loop)]
        return jsonify(pid=os.getpid(), tasks=tasks, waiting=service.health().waiting)

    @app.post("/sabotage/kill-loop")
    def kill_loop() -> Response:
        def die() -> None:
            raise SystemExit("sabotage")

        service.loop.call_soon(die)
        return jsonify(pid=os.getpid())

    @app.post("/sabotage/block-loop")
    def block_loop() -> Response:
        service.loop.call_soon(time.sleep, float(request.args["seconds"]))
        return jsonify(pid=os.getpid())

    def hold_main_thread(*_: object) -> None:
        """Wait, as on a machine that is busy, until the worker has been told to leave and then has a new client."""
        worker = signal.getsignal(signal.SIGTERM).__self__  # type: ignore[union-attr]  # gunicorn's own handler
        print("the main thread is held", flush=True)
        give_up = time.monotonic() + 10
        while worker.alive and time.monotonic() < give_up:
            select.select([], [], [], 0.01)
        print("the main thread is told", flush=True)
        select.select([worker.sockets[0]], [], [], 10)

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
    signal.signal(BREAK_LISTENER, lambda *_: fail_accept([errno.EINVAL] * 1000))

    @app.get("/sabotage/raise")
    def raise_after_headers() -> Response:
        def body() -> Iterator[bytes]:
            yield b"a beginning"
            raise LookupError("a defect in somebody's generator")

        return Response(body())

    return app


app = _sabotage(create_app())
