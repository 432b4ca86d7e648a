"""The production server: `gunicorn -c gunicorn.conf.py wsgi:app`. Every number has its reason beside it.

gunicorn takes this file by itself where it is started in this folder, also for other applications and worker classes.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import gunicorn
from gunicorn.glogging import Logger

# gunicorn may have been started in another folder.
_folder = str(Path(__file__).resolve().parent)
_is_found_already = _folder in sys.path
sys.path.insert(0, _folder)

from sluice.service.observability.log_queue import queue_files, queue_standard_streams
from sluice.service.observability.logging import log_formatter, say_dropped
from sluice.service.observability.metric_values import forget_worker
from sluice.service.settings import kept_dotenv
from sluice.service.settings.names import unused_names
from sluice.service.settings.settings import SettingsError
from sluice.web.server import start_signals
from sluice.web.server.gunicorn_hooks import install
from sluice.web.server.heartbeat_directory import NoDirectory, heartbeat_directory
from sluice.web.server.launch import working_directory
from sluice.web.server.listen_address import AddressUnavailable, readable_address, refuse_unavailable
from sluice.web.server.malloc_arenas import share_one_heap

start_signals.prepare_master()

# After USR2, a server that was started by `python -m gunicorn` runs gunicorn's `__main__.py` as a script, which puts
# gunicorn's own directory before the standard library: its `http` would be taken for Python's, and no worker starts.
_gunicorn = os.path.realpath(os.path.dirname(gunicorn.__file__))
sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != _gunicorn]

_working_directory = working_directory()
sys.path.remove(_folder)
if str(_working_directory) == _folder:
    sys.path.insert(0, _folder)
elif not _is_found_already:
    # Behind all others: where it was started, there may be another `wsgi`.
    sys.path.append(_folder)

try:
    _settings, _dotenv = kept_dotenv.load_settings(os.environ, _working_directory / ".env")
except SettingsError as _error:
    sys.exit(f"Sluice cannot start:\n{_error}")
kept_dotenv.keep(_dotenv)
_unused_names = unused_names(os.environ, _dotenv, _settings)

# For `gunicorn` alone.
wsgi_app = "wsgi:app"
_host, _port = _settings.server.host, _settings.server.port
bind = f"[{_host}]:{_port}" if ":" in _host else f"{_host}:{_port}"
workers = _settings.server.workers
worker_class = "sluice.web.server.worker.SluiceWorker"
# A stream holds its thread for its whole life. The reserve keeps the page, /healthz and refusals answering.
threads = _settings.limits.threads
# Connections beyond the threads are kept-alive ones, waiting in the poller. gunicorn's own 1000 would be fewer than
# the threads of a worker with many places.
worker_connections = max(1000, 2 * threads)
# A page asks for its files, its configuration and a chat on one connection; beyond that, idle connections only hold
# descriptors. With several workers each request has a connection of its own: a kept one would bring its next chat to
# the worker that has it, even if that one is full and others are not.
keepalive = 15 if workers == 1 else 0
# gunicorn kills a worker whose main thread did not report for this long. That thread never waits for a stream.
timeout = 30
# Open answers get `drain_timeout` seconds, then a terminal frame; the rest is for sending it.
graceful_timeout = _settings.limits.graceful_timeout
loglevel = _settings.logging.level
# A second way to steer the server, on a path that two servers of one user would share. Signals are enough.
control_socket_disable = True
# gunicorn believes these of any client on this machine or on a unix socket: SCRIPT_NAME, by which each could move the
# application below another path, and the scheme. The path is the operator's (the variable SCRIPT_NAME), the scheme a
# trusted proxy's.
forwarder_headers = ""
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"} if _settings.server.trusted_proxies else {}

# Before the first thread of this process, which is the log's: what is chosen here, workers inherit.
share_one_heap()
_formatter = log_formatter(_settings.logging.format, (_settings.provider.api_key,))
# Nothing that is written to the log, to stdout or to stderr waits for whoever reads it, in no process of this server.
for _stream in queue_standard_streams():
    _stream.say_dropped = partial(say_dropped, _formatter)
_handler = logging.StreamHandler()
_handler.setFormatter(_formatter)
logging.basicConfig(level=logging.WARNING, handlers=[_handler], force=True)
logging.getLogger("sluice").setLevel(_settings.logging.level.upper())

try:
    # A worker looks again before it is forked: what can be written now need not be later.
    worker_tmp_dir, _complaints = heartbeat_directory()
except NoDirectory as _error:
    sys.exit(
        "Sluice cannot start:\nno file can be made for a worker's heartbeat; TMPDIR should name a directory that can "
        f"be written. {_error}."
    )
for _complaint in _complaints:
    logging.getLogger("sluice.gunicorn").warning(
        "the workers' heartbeat files are in %s, as another directory cannot be used: %s", worker_tmp_dir, _complaint
    )


def _format_log(log: Any) -> None:
    """Write gunicorn's own lines in our form, keys taken out, and its files through queues."""
    # An access log of text keeps the form that its operator chose.
    ours = [log.error_log, log.access_log] if _settings.logging.format == "json" else [log.error_log]
    for handler in [handler for logger in ours for handler in logger.handlers]:
        handler.setFormatter(_formatter)
    queue_files(log.error_log, log.access_log)


class logger_class(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's log in our form, from its first line."""

    # Not by `logconfig_dict`, which would turn the access log on as well.
    def setup(self, cfg: Any) -> None:
        """Set up the handlers, at the start and on HUP."""
        super().setup(cfg)
        _format_log(self)


def on_reload(server: Any) -> None:
    """See to the log and to what has changed in the settings."""
    # By then the log's object, which lives as long as the master, has set itself up by the settings of its start.
    _format_log(server.log)
    _warn_of_settings(server)


def on_starting(server: Any) -> None:
    """See to the metrics' directory, and refuse an address that cannot be had."""
    # Workers that gunicorn's `user` makes another user's write there too.
    if _metrics_directory is not None and os.environ.get("SLUICE_METRICS_OWNER") == str(os.getpid()):
        try:
            os.chown(_metrics_directory, server.cfg.uid, server.cfg.gid)
        except OSError as error:
            server.log.warning("the workers may not write their metrics to %s: %s", _metrics_directory, error)
    # gunicorn itself would try for five seconds. A socket that was handed over (USR2, systemd) is ours already.
    if not {"GUNICORN_FD", "GUNICORN_PID", "LISTEN_FDS"} & os.environ.keys():
        for address in server.cfg.address:
            try:
                refuse_unavailable(address)
            except AddressUnavailable as error:
                sys.exit(f"Sluice cannot start:\n{error}")


def _metrics_dir() -> str | None:
    """Choose where the workers' metrics meet: a directory of this master's own, unless the operator chose one."""
    given = _settings.server.metrics_directory
    # After USR2 the new master inherits the old one's variables; after HUP this runs again in the same master.
    if given and os.environ.get("SLUICE_METRICS_OWNER", "") in ("", str(os.getpid())):
        return given
    os.environ["SLUICE_METRICS_OWNER"] = str(os.getpid())
    try:
        directory = tempfile.mkdtemp(prefix="sluice-metrics-")
    except OSError as error:
        logging.getLogger("sluice.metrics").warning(
            "no temporary directory can be made for the workers' metrics, so each worker shows only its own: %s; "
            "PROMETHEUS_MULTIPROC_DIR should name a directory that can be written",
            error,
        )
        return None
    # At the exit of this process and not in a hook of gunicorn's, which `--check-config` never reaches.
    atexit.register(_remove_metrics_dir, directory, os.getpid())
    return directory


def _remove_metrics_dir(directory: str, owner: int) -> None:
    if os.getpid() == owner:  # workers inherit the registration
        shutil.rmtree(directory, ignore_errors=True)


_metrics_directory = _metrics_dir()
if _metrics_directory is None:
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
else:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics_directory


def _warn_of_settings(server: Any) -> None:
    """Say what does not fit together in the settings, and what has no effect."""
    for sentence in (*_settings.contradictions(), *_unused_names):
        server.log.warning("%s", sentence)


def when_ready(server: Any) -> None:
    """Say where it listens, who answers, and what does not fit together."""
    _warn_of_settings(server)
    if _settings.provider.is_demo:
        who = "the built-in demo model (a script; set OPENAI_BASE_URL or OPENAI_API_KEY for a real one)"
    else:
        who = f"{_settings.provider.default_model} at {_settings.provider.base_url or 'api.openai.com'}"
    for listener in server.LISTENERS:
        server.log.info("Sluice listens on %s", readable_address(listener.sock.getsockname()))
    server.log.info("Answers come from %s", who)


def child_exit(server: Any, worker: Any) -> None:
    """Forget the gauges of a worker that is gone."""
    if _metrics_directory is not None:
        try:
            forget_worker(_metrics_directory, worker.pid)
        except OSError as error:
            # Raised here, it would end the master.
            server.log.warning("the gauges of a worker that is gone stay in the metrics: %s", error)


# Last: it also has the master forget what it imported here.
install(globals())
