"""The servers of the matrix: how each is started, and what it gives (docs/reference/servers.md)."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.servers import apache
from tools.common.gunicorn_server import REPOSITORY

APPLICATION = "tests.servers.application:app"
BIN = Path(sys.executable).parent
UWSGI = (
    "uwsgi",
    "--http-socket=127.0.0.1:{port}",
    "--master",
    "--die-on-term",
    "--need-app",
    f"--module={APPLICATION}",
)


@dataclass(frozen=True)
class Row:
    """One server with its options."""

    name: str
    #: A program of the environment, or its path, and its arguments. `{port}` and `{folder}` are replaced.
    command: Sequence[str]
    #: Whether two streams run at one time.
    at_once: bool = True
    #: When a disconnect is seen while the model is silent: at once, by failed heartbeats, or never.
    disconnect: Literal["at once", "heartbeat", "never"] = "at once"
    #: How an open answer ends at SIGTERM; None where the server waits for its end.
    sigterm: Literal["frame", "cut"] | None = "cut"
    #: Writes what the server needs into the folder, for a port.
    prepare: Callable[[Path, int], object] | None = None
    #: Return why the server cannot run here; None where it can.
    missing: Callable[[], str | None] = lambda: None


def _apache_is_missing() -> str | None:
    if not apache.PROGRAM.exists() or not apache.fits_this_python():
        return "apache2-bin and libapache2-mod-wsgi-py3 are not installed, or are for another Python"
    if os.geteuid() != 0:
        return "Apache changes its user, which only root can"
    folders = [REPOSITORY, *REPOSITORY.parents, BIN.parent]
    if not all(folder.stat().st_mode & stat.S_IXOTH for folder in folders):
        return "the user of Apache cannot read this folder"
    return None


def _program_is_missing(name: str) -> Callable[[], str | None]:
    return lambda: None if shutil.which(str(BIN / name)) else f"{name} is not installed"


ROWS = (
    Row("gunicorn, Sluice's worker", ["gunicorn", "-c", "python:sluice.gunicorn", APPLICATION], sigterm="frame"),
    Row(
        "gunicorn, gthread",
        ["gunicorn", "-k", "gthread", "--threads=8", "--no-control-socket", "-b", "127.0.0.1:{port}", APPLICATION],
        sigterm=None,
    ),
    Row(
        "gunicorn, sync",
        ["gunicorn", "-k", "sync", "--no-control-socket", "-b", "127.0.0.1:{port}", APPLICATION],
        at_once=False,
        sigterm=None,
    ),
    Row("waitress", ["waitress-serve", "--listen=127.0.0.1:{port}", APPLICATION], disconnect="heartbeat"),
    Row(
        "waitress with a drain",
        ["python", "-m", "tests.servers.waitress_server", "{port}"],
        disconnect="heartbeat",
        sigterm="frame",
    ),
    Row("uWSGI", [*UWSGI, "--threads=8"], missing=_program_is_missing("uwsgi")),
    Row("uWSGI, one thread", [*UWSGI, "--enable-threads"], at_once=False, missing=_program_is_missing("uwsgi")),
    Row(
        "uWSGI, loaded after the fork, behind its router",
        [UWSGI[0], "--http=127.0.0.1:{port}", *UWSGI[2:], "--threads=8", "--lazy-apps"],
        missing=_program_is_missing("uwsgi"),
    ),
    Row(
        "Apache with mod_wsgi",
        [str(apache.PROGRAM), "-DFOREGROUND", "-f", "{folder}/apache.conf"],
        disconnect="heartbeat",
        prepare=lambda folder, port: apache.write_configuration(
            folder, port, "tests.servers.application", REPOSITORY
        ),
        missing=_apache_is_missing,
    ),
    Row("flask run", ["flask", "--app", APPLICATION, "run", "--port={port}"]),
    Row("flask run, one thread", ["flask", "--app", APPLICATION, "run", "--port={port}", "--without-threads"], False),
    Row(
        "uvicorn, a2wsgi",
        ["uvicorn", "--port={port}", "tests.servers.below_asgi:a2wsgi_app"],
        disconnect="never",
        sigterm=None,
    ),
    Row(
        "uvicorn, asgiref",
        ["uvicorn", "--port={port}", "tests.servers.below_asgi:asgiref_app"],
        at_once=False,
        disconnect="never",
        sigterm=None,
    ),
)
