"""Serves the application itself on a free port of 127.0.0.1, for as long as `doctor` checks it."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import make_server

from ..extension_state import ExtensionState
from ..page.embedding import PAGE_ENDPOINT
from .deployment import Deployment, Unreachable

# Seconds until it serves, and until it has ended.
START_TIMEOUT = 30.0
STOP_TIMEOUT = 40.0
# Seconds between two attempts to reach it.
_POLL_INTERVAL = 0.1


def find_page_path(app: Flask) -> str:
    """Return the path of the page in an application.

    Raises:
        Unreachable: The application does not have the extension.
    """
    rule = next((rule.rule for rule in app.url_map.iter_rules() if rule.endpoint == PAGE_ENDPOINT), None)
    if rule is None:
        raise Unreachable(f"the application {app.name!r} has no chat; `Sluice(app)` adds it.")
    return rule


@contextmanager
def serve_application(app: Flask | None, import_path: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Serve an application, with gunicorn where it is installed, and else with Flask's server.

    Args:
        app: The application; None for the stand-alone page.
        import_path: The application as `FLASK_APP` names it; empty where Flask finds it by itself.
        environ: The environment.

    Yields:
        The address of the page.

    Raises:
        Unreachable: It does not start.
    """
    path = "/" if app is None else find_page_path(app)
    try:
        importlib.import_module("gunicorn")
    except ImportError:
        with _serve_in_this_process(app) as port:
            yield f"http://127.0.0.1:{port}{path}"
        return
    target = "sluice:create_app()" if app is None else "sluice.web.doctor.served:application"
    with _run_gunicorn(target, {**environ, "FLASK_APP": import_path}, path) as url:
        yield url


@contextmanager
def _serve_in_this_process(app: Flask | None) -> Iterator[int]:
    if app is None:
        from .. import create_app

        app = create_app()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="sluice-doctor-server", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        ExtensionState.of(app).close()


@contextmanager
def _run_gunicorn(target: str, environ: Mapping[str, str], path: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "gunicorn", "-c", "python:sluice.gunicorn", target],
            # Open streams of the check are not worth waiting for.
            env={**environ, "HOST": "127.0.0.1", "PORT": str(port), "SLUICE_DRAIN_TIMEOUT": "0"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        url = f"http://127.0.0.1:{port}{path}"
        try:
            deployment = Deployment(url, {})
            deadline = time.monotonic() + START_TIMEOUT
            while not _answers(deployment):
                if server.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise Unreachable(f"the application does not start:\n{log.read().decode(errors='replace')}")
                time.sleep(_POLL_INTERVAL)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _answers(deployment: Deployment) -> bool:
    try:
        deployment.get_json("/api/doctor")
    except OSError:
        return False
    return True


def import_path_of(info: object) -> str:
    """Return the application that `flask --app` or FLASK_APP names; empty for none."""
    return getattr(info, "app_import_path", None) or os.environ.get("FLASK_APP", "")
