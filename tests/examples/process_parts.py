"""Prints what a process is made of, before and after Sluice is imported, added to an application, and used."""

from __future__ import annotations

import asyncio
import builtins
import faulthandler
import gc
import json
import locale
import logging
import mimetypes
import os
import resource
import signal
import socket
import sys
import threading
import warnings
from typing import Any

from flask import Flask

from tools.common.scripted_model import ScriptedModel

# Loggers that a host may have configured.
NAMES = ("app", "flask.app", "werkzeug", "gunicorn.error", "gunicorn.access", "asyncio", "sqlalchemy", "py.warnings")


def describe(name: str | None) -> dict[str, Any]:
    """Return the configuration of a logger; None for the root."""
    logger = logging.getLogger(name)
    return {
        "level": logger.level,
        "handlers": list(map(repr, logger.handlers)),
        "filters": list(map(repr, logger.filters)),
        "flags": (logger.propagate, logger.disabled),
    }


def parts() -> dict[str, Any]:
    """Return what a library could change for the whole process."""
    hooks = (
        sys.excepthook,
        sys.unraisablehook,
        threading.excepthook,
        sys.displayhook,
        sys.gettrace(),
        sys.getprofile(),
    )
    return {
        "loggers": [describe(name) for name in (None, *NAMES)],
        "logging": repr(
            (
                logging.getLoggerClass(),
                logging.getLogRecordFactory(),
                logging.root.manager.disable,
                logging.raiseExceptions,
            )
        ),
        "signals": {number.name: repr(signal.getsignal(number)) for number in signal.Signals},
        "blocked signals": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "wakeup": signal.set_wakeup_fd(-1),
        "warnings": list(map(repr, warnings.filters)),
        "showwarning": repr(warnings.showwarning),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "umask": os.umask(0o022),
        "path": sys.path,
        "hooks": list(map(repr, hooks)),
        "import": list(map(repr, [builtins.__import__, *sys.meta_path, *sys.path_hooks])),
        "threads": [thread.name for thread in threading.enumerate()],
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "limits": [resource.getrlimit(number) for number in (resource.RLIMIT_NOFILE, resource.RLIMIT_STACK)],
        "recursion": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "stack size": threading.stack_size(),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), list(map(repr, gc.callbacks))),
        "socket timeout": socket.getdefaulttimeout(),
        "socket": repr((socket.socket, socket.getaddrinfo)),
        "locale": locale.setlocale(locale.LC_ALL),
        "loop policy": repr(type(asyncio.get_event_loop_policy())),
        "media types": mimetypes.guess_type("a.js"),
        "faulthandler": faulthandler.is_enabled(),
    }


def main() -> None:
    """Print them as JSON: before, with Sluice, and after chats in both modes."""
    mimetypes.init()
    asyncio.get_event_loop_policy()
    app = Flask(__name__)
    with ScriptedModel() as model:
        app.config.update({"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"})
        before = parts()
        from sluice import Sluice

        Sluice(app, url_prefix="/assistant")
        added = parts()
        for mode in ("block", "stream"):
            answer = app.test_client().post("/assistant/api/chat", json={"message": "Hi", "interaction_mode": mode})
            assert "Hello" in answer.text
        used = parts()
    # Those of the loop are there for as long as the application.
    print(json.dumps([before, added, {**used, **{name: before[name] for name in ("threads", "descriptors")}}]))


if __name__ == "__main__":
    main()
