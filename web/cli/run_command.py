"""`run`: the stand-alone page under gunicorn, and beside it the local model if it is wanted."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn

from ...service.local_model.packages import install_packages, packages_folder
from ...service.local_model.process import LocalModel

# gunicorn's, and those that its master takes.
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
# Seconds between two looks at the processes.
_POLL_INTERVAL = 0.5
_PR_SET_PDEATHSIG = 1


class CannotServe(RuntimeError):
    """The server cannot be started. The text says why, and what to change."""


def serve(environ: Mapping[str, str], say: Callable[[str], None], *, model: str | None, is_local: bool) -> NoReturn:
    """Serve until a signal ends the server; then exit with its code.

    Args:
        environ: The server's environment.
        say: Takes a line of progress.
        model: The model's name; None for that of the settings.
        is_local: Whether the local model answers.

    Raises:
        CannotServe: gunicorn is not installed.
        LocalModelError: The local model cannot be installed or started.
    """
    try:
        importlib.import_module("gunicorn")
    except ImportError:
        raise CannotServe('gunicorn is not installed; `pip install "sluice[server]"` installs it.') from None
    environ = dict(environ)
    command = [sys.executable, "-m", "gunicorn", "-c", "python:sluice.gunicorn"]
    if not is_local:
        if model is not None:
            environ["OPENAI_MODEL"] = model
        os.execve(sys.executable, command, environ)  # noqa: S606
    folder = packages_folder(environ)
    install_packages(folder, environ, say)
    say("loading the model")
    with LocalModel(folder) as local:
        sys.exit(_run_beside(local, command, environ | environment_of(local), say))


def environment_of(local: LocalModel) -> dict[str, str]:
    """Return the settings by which the server asks the local model."""
    # A .env may name further models, which are not served here; the same one again is no further one.
    return {
        "OPENAI_BASE_URL": local.base_url,
        "OPENAI_API_KEY": local.key,
        "OPENAI_API_KEY_FILE": "",
        "OPENAI_MODEL": local.name,
        "OPENAI_MODELS": local.name,
        "OPENAI_API": "chat",
        "SLUICE_PROVIDERS": "off",
    }


def _run_beside(local: LocalModel, command: list[str], environ: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Run the server, pass signals on to it, and keep the model running; return the server's exit code."""
    server = subprocess.Popen(  # noqa: S603
        command,
        env=environ,
        # Ctrl-C in a terminal comes from this process alone.
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )

    def forward(number: int, _: FrameType | None) -> None:
        server.send_signal(number)

    for number in _FORWARDED:
        signal.signal(number, forward)
    try:
        while True:
            try:
                return server.wait(_POLL_INTERVAL)
            except subprocess.TimeoutExpired:
                local.restart_if_ended(say)
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait()


def _end_with_parent() -> None:
    """Have the kernel end the server if this process is killed. Linux; elsewhere it would remain."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
