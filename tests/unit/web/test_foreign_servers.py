"""Servers without a worker of Sluice's own: uWSGI's options, and adapters below ASGI servers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial, wraps
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from a2wsgi.wsgi import WSGIResponder
from asgiref.wsgi import WsgiToAsgiInstance
from flask import Flask

from sluice import Sluice
from sluice.service.concurrency.replaced_threads import ThreadsReplaced
from sluice.web import create_app, foreign_servers
from sluice.web.foreign_servers import describe_server, warn_of_adapter
from sluice.web.sockets.client_socket import find_connection

InstallUwsgi = Callable[..., ModuleType]


@pytest.fixture
def install_uwsgi(monkeypatch: pytest.MonkeyPatch) -> InstallUwsgi:
    """Return a function that puts uWSGI's module where uWSGI puts it."""

    def install(version: bytes = b"2.0.21-debian", fd: int = -1, **options: Any) -> ModuleType:
        module = ModuleType("uwsgi")
        names = {name.replace("_", "-"): value for name, value in options.items()}
        vars(module).update(version=version, opt=names, connection_fd=lambda: fd)
        monkeypatch.setitem(sys.modules, "uwsgi", module)
        return module

    return install


@pytest.fixture(autouse=True)
def nothing_was_logged() -> Iterator[None]:
    foreign_servers._warn_of_adapter.cache_clear()
    yield
    foreign_servers._warn_of_adapter.cache_clear()


@pytest.mark.parametrize("option", ["gevent", "asyncio", "tornado", "greenlet", "ugreen", "async"])
@pytest.mark.parametrize("make", [lambda: Sluice(Flask("host")), create_app])
def test_uwsgi_with_greenlets_is_refused(
    install_uwsgi: InstallUwsgi, option: str, make: Callable[[], object]
) -> None:
    install_uwsgi(**{option: b"8"})
    with pytest.raises(ThreadsReplaced, match=f"uWSGI is started with '{option}'.* --enable-threads and --threads"):
        make()


@pytest.mark.parametrize(
    ("version", "options", "is_warned_of"),
    [
        (b"2.0.21-debian", {"master": True}, True),
        (b"2.0.21", {"enable_threads": True}, False),
        (b"2.0.21", {"threads": b"8"}, False),
        (b"2.0.30", {"master": True}, False),
        (b"2.1", {"master": True}, False),
    ],
)
def test_uwsgi_without_threads_is_warned_of(
    install_uwsgi: InstallUwsgi, version: bytes, options: dict[str, Any], is_warned_of: bool
) -> None:
    install_uwsgi(version, **options)
    assert ["--enable-threads" in sentence for sentence in describe_server()] == ([True] if is_warned_of else [])


def test_another_server_is_not_warned_of() -> None:
    assert describe_server() == []


def test_the_connection_of_a_request_is_the_one_that_uwsgi_names(install_uwsgi: InstallUwsgi) -> None:
    environ = {"uwsgi.version": b"2.0.30", "SERVER_PROTOCOL": "HTTP/1.1"}
    assert find_connection(environ) is None
    install_uwsgi(fd=7)
    connection = find_connection(environ)
    assert connection is not None
    assert connection.fileno() == 7
    assert find_connection({"SERVER_PROTOCOL": "HTTP/1.1"}) is None
    install_uwsgi(fd=-1)
    assert find_connection(environ) is None


def wrapped_by_wraps(start_response: Any) -> Any:
    @wraps(start_response)
    def start(*args: Any) -> Any:
        return start_response(*args)

    return start


@pytest.mark.parametrize(
    "wrap", [lambda start: start, wrapped_by_wraps, partial, lambda start: partial(print, start, None)]
)
def test_an_adapter_below_an_asgi_server_is_warned_of_once(caplog: pytest.LogCaptureFixture, wrap: Any) -> None:
    own = SimpleNamespace(start_response=lambda *_: None)
    warn_of_adapter({}, own.start_response)
    assert caplog.records == []
    for adapter in (WsgiToAsgiInstance, WSGIResponder):
        for _ in range(2):
            warn_of_adapter({}, wrap(adapter.start_response))
    assert [record.args for record in caplog.records] == [("asgiref",), ("a2wsgi",)]
    warn_of_adapter({"asgi.scope": {}}, own.start_response)
    assert len(caplog.records) == 3
