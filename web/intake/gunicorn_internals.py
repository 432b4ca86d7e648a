"""What Sluice uses of gunicorn beside its settings and hooks: in this file only, and checked when it is imported.

gunicorn documents no interface for a worker's connections, parsers and threads, and no hook before a reload. Read for
it: `arbiter.py`, `config.py`, `sock.py`, `util.py`, `http/{body,message,parser,unreader,wsgi}.py` and
`workers/{base,gthread}.py` of gunicorn 27.0.

Loaded by gunicorn's master too, so it loads nothing of the application (test_imports.py).
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Final

import gunicorn
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config as Config
from gunicorn.errors import AppImportError as AppImportError
from gunicorn.glogging import Logger as Logger
from gunicorn.http import errors as errors
from gunicorn.http import get_parser as get_parser
from gunicorn.http.body import LengthReader
from gunicorn.http.errors import ParseException as ParseException
from gunicorn.http.message import Request as Request
from gunicorn.http.parser import RequestParser as RequestParser
from gunicorn.http.unreader import SocketUnreader as SocketUnreader
from gunicorn.http.wsgi import Response
from gunicorn.http.wsgi import create as create_response
from gunicorn.http2.negotiation import prior_knowledge_allowed as prior_knowledge_allowed
from gunicorn.sock import BaseSocket as BaseSocket
from gunicorn.sock import is_http2_negotiated as is_http2_negotiated
from gunicorn.sock import ssl_wrap_socket as ssl_wrap_socket
from gunicorn.util import close_graceful as close_graceful
from gunicorn.util import write as write
from gunicorn.workers.gthread import PollableMethodQueue, ThreadWorker
from gunicorn.workers.gthread import TConn as TConn
from gunicorn.workers.workertmp import WorkerTmp

#: From this version on, and below the second one.
SUPPORTED: Final = ((27, 0, 1), (28, 0, 0))
# Of each class the methods that Sluice calls or overrides, with gunicorn's names of their parameters.
_METHODS: Final[Mapping[type, Mapping[str, tuple[str, ...]]]] = {
    ThreadWorker: {
        "_keepalive_after": ("conn", "keepalive"),
        "accept": ("listener",),
        "enqueue_req": ("conn",),
        "finish_request": ("conn", "fs"),
        "get_thread_pool": (),
        "handle": ("conn",),
        "handle_error": ("req", "client", "addr", "exc"),
        "handle_exit": ("sig", "frame"),
        "handle_request": ("req", "conn"),
        "handle_quit": ("sig", "frame"),
        "handle_usr1": ("sig", "frame"),
        "init_process": (),
        "init_signals": (),
        "notify": (),
        "on_client_socket_readable": ("conn", "client"),
        "on_pending_socket_readable": ("conn", "client"),
        "run": (),
        "set_accept_enabled": ("enabled",),
        "wait_for_and_dispatch_events": ("timeout",),
    },
    PollableMethodQueue: {"defer": ("callback",)},
    TConn: {"close": ("graceful",), "init": ()},
    RequestParser: {"__next__": (), "finish_body": ("deadline", "max_bytes"), "next": ()},
    SocketUnreader: {"chunk": ("size_hint",), "take_buffered": ()},
    Response: {
        "close": (),
        "force_close": (),
        "should_close": (),
        "start_response": ("status", "headers", "exc_info"),
        "write": ("arg",),
        "write_file": ("respiter",),
    },
    BaseSocket: {"close": ()},
    Arbiter: {
        "handle_chld": (),
        "handle_hup": (),
        "manage_workers": (),
        "reap_workers": (),
        "setup": ("app",),
        "spawn_worker": (),
    },
    WorkerTmp: {"last_update": (), "notify": ()},
    Logger: {"access": ("resp", "req", "environ", "request_time"), "setup": ("cfg",)},
    Config: {"get_cmd_args_from_env": (), "parser": (), "set": ("name", "value")},
}
# Of each class the attributes that Sluice reads or sets.
_ATTRIBUTES: Final[Mapping[type, tuple[str, ...]]] = {
    ThreadWorker: (
        "_accepting",
        "age",
        "alive",
        "cfg",
        "keepalived_conns",
        "log",
        "max_keepalived",
        "max_requests",
        "method_queue",
        "nr",
        "nr_conns",
        "pending_conns",
        "pid",
        "poller",
        "sockets",
        "tmp",
        "tpool",
        "worker_connections",
        "wsgi",
    ),
    TConn: ("cfg", "client", "data_ready", "initialized", "is_http2", "parser", "server", "sock", "timeout"),
    RequestParser: ("cfg", "mesg", "req_count", "source_addr", "unreader"),
    SocketUnreader: ("buf", "sock"),
    Request: ("_expected_100_continue", "body", "headers", "method", "path"),
    LengthReader: ("length",),
    Response: ("chunked", "headers", "headers_sent", "req", "response_length", "sent", "sock"),
    BaseSocket: ("sock",),
    Arbiter: (
        "LISTENERS",
        "START_CTX",
        "WORKERS",
        "WORKER_BOOT_ERROR",
        "app",
        "cfg",
        "log",
        "num_workers",
        "worker_age",
        "worker_class",
    ),
    Logger: ("access_log", "error_log"),
    Config: ("address", "gid", "settings", "uid", "worker_class_str"),
}


class UnsupportedGunicorn(ImportError):
    """The installed gunicorn is another version, or lacks a part that Sluice uses."""


def check_installed(
    version: tuple[int, ...],
    methods: Mapping[type, Mapping[str, tuple[str, ...]]] = _METHODS,
    attributes: Mapping[type, tuple[str, ...]] = _ATTRIBUTES,
) -> None:
    """Compare the installed gunicorn with what Sluice was written for.

    Args:
        version: The installed version.
        methods: Of each class the methods that are used, with their parameters.
        attributes: Of each class the attributes that are used.

    Raises:
        UnsupportedGunicorn: The version is not supported, a method or an attribute is missing, or a method has other
            parameters.
    """
    oldest, end = (".".join(map(str, each)) for each in SUPPORTED)
    installed = ".".join(map(str, version))
    remedy = f"install a version that Sluice supports: pip install 'gunicorn>={oldest},<{end}'"
    if not SUPPORTED[0] <= version < SUPPORTED[1]:
        raise UnsupportedGunicorn(f"gunicorn {installed} is installed and is not supported; {remedy}")
    other = [
        f"{owner.__name__}.{name}({', '.join(parameters)})"
        for owner, names in methods.items()
        for name, parameters in names.items()
        if _parameters(owner, name) != parameters
    ]
    other += [
        f"{owner.__name__}.{name}" for owner, names in attributes.items() for name in names if not _has(owner, name)
    ]
    if other:
        raise UnsupportedGunicorn(f"gunicorn {installed} has no {' and no '.join(other)}; {remedy}")


def _parameters(owner: type, name: str) -> tuple[str, ...] | None:
    """Return the names of a method's parameters without `self`; None where there is no such method."""
    code = getattr(getattr(owner, name, None), "__code__", None)
    return None if code is None else code.co_varnames[1 : code.co_argcount]


def _has(owner: type, name: str) -> bool:
    """Say whether instances have an attribute: of their class, or named in one of its methods."""
    methods = (each for base in owner.__mro__ for each in vars(base).values() if hasattr(each, "__code__"))
    return hasattr(owner, name) or any(name in method.__code__.co_names for method in methods)


check_installed(gunicorn.version_info)

GUNICORN_FOLDER: Final = os.path.realpath(os.path.dirname(gunicorn.__file__))

#: The exit status by which a worker says that it cannot start.
WORKER_BOOT_ERROR: Final[int] = Arbiter.WORKER_BOOT_ERROR


class PublicThreadWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's threaded worker, with the private parts that Sluice uses under public names."""

    @property
    def is_accepting(self) -> bool:
        """Whether the listening sockets are in the poller."""
        accepting: bool = self._accepting
        return accepting

    def may_keep(self, conn: Any, keepalive: object) -> object:
        """Say whether a connection can be used again; on the request's thread. A subclass overrides it."""
        kept: bool = super()._keepalive_after(conn, keepalive)
        return kept

    def _keepalive_after(self, conn: Any, keepalive: object) -> object:
        return self.may_keep(conn, keepalive)


def main_loop_of(worker: Any) -> Callable[..., None] | None:
    """Return the function by which a thread or a signal handler has a worker's main loop call another function.

    None for a sync worker, which has no such loop. The function takes no lock. A call after the end of the loop is
    lost.
    """
    defer: Callable[..., None] | None = worker.method_queue.defer if isinstance(worker, ThreadWorker) else None
    return defer


def has_reported(worker: Any) -> bool:
    """Return whether a worker has reported to the master, which the main loop of each class does. In the master.

    A report sets the time of the heartbeat file to that of the monotonic clock. A new file has the time of day.
    """
    last: float = worker.tmp.last_update()
    return last <= time.monotonic()


def take_expectation(request: Any) -> bool:
    """Say whether a request's client waits for `100 Continue`, and keep gunicorn from sending it."""
    expected: bool = request._expected_100_continue
    request._expected_100_continue = False
    return expected


def body_length(request: Any) -> int | None:
    """Return how many bytes of a request's body are to come; None where its length is not known in advance."""
    reader = request.body.reader
    return reader.length if isinstance(reader, LengthReader) else None


def begin_response(request: Any, connection: Any) -> tuple[Any, dict[str, Any]]:
    """Return the response and the environ of a request."""
    response, environ = create_response(
        request, connection.sock, connection.client, connection.server, connection.cfg
    )
    environ["wsgi.multithread"] = True
    return response, environ


class _Kept(BytesIO):
    """In place of a socket: keeps what a response sends."""

    sendall = BytesIO.write


def write_body(response: Any, data: bytes) -> None:
    """Write bytes of a body; the first ones together with the head.

    Raises:
        OSError: The client has disconnected, or does not read.
    """
    _write_together(response, response.write, data)


def end_body(response: Any) -> None:
    """Write the end of a body, and the head if it was not written.

    Raises:
        OSError: The client has disconnected, or does not read.
    """
    _write_together(response, response.close)


def _write_together(response: Any, write_parts: Callable[..., None], *arguments: Any) -> None:
    """Send all that a method of a response writes by one call: each lets other threads run, and wakes the client."""
    had_head = response.headers_sent
    client, response.sock = response.sock, _Kept()
    try:
        write_parts(*arguments)
        data = response.sock.getvalue()
    except BaseException:
        # So that an error can be the reply.
        response.headers_sent = had_head
        raise
    finally:
        response.sock = client
    if not isinstance(client, ssl.SSLSocket):
        try:
            # Python's own methods wait for a socket with a time limit before each call.
            sent = os.write(client.fileno(), data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return
        data = memoryview(data)[sent:]
    client.sendall(data)


def response_of(start_response: Any) -> Any:
    """Return the response that a `start_response` of gunicorn belongs to."""
    return start_response.__self__


def is_event_stream(response: Any) -> bool:
    """Return whether a response whose head is known has events as its body, and has one at all."""
    return response.req.method != "HEAD" and any(
        name.lower() == "content-type" and value.startswith("text/event-stream") for name, value in response.headers
    )
