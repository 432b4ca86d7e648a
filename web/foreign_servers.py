"""What Sluice must know of servers that it has no worker for: which it refuses, and of which it warns."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from ..service.concurrency.replaced_threads import ThreadsReplaced

logger = logging.getLogger("sluice.web")

# uWSGI's options for requests in greenlets on one thread, in which a stream would hold up all others.
_GREENLET_OPTIONS = ("gevent", "asyncio", "tornado", "greenlet", "ugreen", "async")
# From this version on, uWSGI's Python threads run without the option `enable-threads`.
_THREADS_BY_DEFAULT = (2, 0, 30)
# Modules whose `start_response` passes replies to an ASGI server.
_ADAPTERS = ("a2wsgi", "asgiref", "starlette", "uvicorn", "hypercorn")


def refuse_unfit_server() -> None:
    """Raise an error where the application is loaded by a server in which streams cannot run.

    Raises:
        ThreadsReplaced: uWSGI serves requests in greenlets.
    """
    for name in _GREENLET_OPTIONS:
        if name in _uwsgi_options():
            raise ThreadsReplaced(
                f"uWSGI is started with {name!r}, which serves all requests on one thread, so that each stream would "
                "hold up all others; it should be started with --enable-threads and --threads instead"
            )


def describe_server() -> list[str]:
    """Return sentences for the log about the server that loads the application."""
    options = _uwsgi_options()
    if not options or {"enable-threads", "threads"} & options.keys() or _uwsgi_version() >= _THREADS_BY_DEFAULT:
        return []
    return [
        "uWSGI is started without --enable-threads: between two requests the event loop stands still; it should be "
        "started with --enable-threads, and with --threads for several streams at once"
    ]


def warn_of_adapter(environ: Mapping[str, Any], start_response: object) -> None:
    """Log once if a stream is served through an adapter below an ASGI server. Any thread.

    Args:
        environ: The request's environ.
        start_response: The server's function, which middlewares may have wrapped.
    """
    while isinstance(start_response, partial):  # Sentry's
        start_response = start_response.args[0] if start_response.args else start_response.func
    # `functools.wraps`, as OpenTelemetry's wrapper has, copies the name of the module.
    module = (getattr(start_response, "__module__", None) or "").partition(".")[0]
    if "asgi.scope" in environ or module in _ADAPTERS:
        _warn_of_adapter(module if module in _ADAPTERS else "an ASGI server")


@cache
def _warn_of_adapter(name: str) -> None:
    logger.warning(
        "requests come through the WSGI adapter of %s: it does not tell when a client disconnects, so an answer that "
        "nobody reads is paid for to its end; a WSGI server should serve the application (docs/reference/servers.md)",
        name,
    )


def _uwsgi_options() -> Mapping[str, Any]:
    # uWSGI puts the module there, in its own processes only.
    options: Mapping[str, Any] = getattr(sys.modules.get("uwsgi"), "opt", {})
    return options


def _uwsgi_version() -> tuple[int, ...]:
    version: bytes = sys.modules["uwsgi"].version  # b"2.0.21-debian"
    return tuple(int(number) for number in re.findall(rb"\d+", version)[:3])
