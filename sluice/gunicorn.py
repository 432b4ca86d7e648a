"""gunicorn's configuration: `gunicorn -c python:sluice.gunicorn wsgi:app`. Every number has its reason beside it.

Or the beginning of a configuration of your own, which may set the same names again:

    # gunicorn.conf.py
    from sluice.gunicorn import *
    keepalive = 5

Address, workers and all else that is a setting of Sluice come from the environment and `.env` (docs/reference).
"""

from __future__ import annotations

from .web.master.configuration import Configuration
from .web.server.gunicorn_hooks import install

_sluice = Configuration()
_settings = _sluice.settings

# Where gunicorn is started without the name of an application.
wsgi_app = "sluice:create_app()"
bind = _sluice.address
workers = _settings.server.workers
worker_class = "sluice.web.server.worker.SluiceWorker"
# At most. The reserve serves all short requests. The others are started only for answers that hold a thread, as in
# block mode; a stream holds none.
threads = _settings.limits.threads
# Open streams, and in the poller as many idle connections and requests that are being received. At least gunicorn's
# default, 1000.
worker_connections = max(1000, 2 * (_settings.limits.max_streams + threads))
# A page asks for its files, its configuration and a chat on one connection. 15 seconds cover its start and a short
# first question; beyond that, idle connections only hold descriptors. With several workers each request has a
# connection of its own: a kept one would bring its next chat to the worker that has it, even if that one is full and
# others are not.
keepalive = 15 if workers == 1 else 0
# Seconds after which gunicorn kills a worker whose main thread has not reported. That thread waits for no stream and
# reports about every second; but it loads the application first, which takes several on a loaded machine.
timeout = 30
# Open answers get `drain_timeout` seconds, then a terminal frame; the rest is for sending it.
graceful_timeout = _settings.limits.graceful_timeout
loglevel = _settings.logging.level
logger_class = _sluice.logger_class
# In memory where possible: on a disk, a slow write can look like a dead worker.
worker_tmp_dir = _sluice.worker_tmp_dir
# A second way to control the server, on a path that two servers of one user would share. Signals are enough.
control_socket_disable = True
# gunicorn believes these of any client on this machine or on a unix socket: SCRIPT_NAME, by which each could move the
# application below another path, and the scheme. The path is the operator's (the variable SCRIPT_NAME), the scheme a
# trusted proxy's.
forwarder_headers = ""
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"} if _settings.server.trusted_proxies else {}

on_starting = _sluice.on_starting
on_reload = _sluice.on_reload
when_ready = _sluice.when_ready
child_exit = _sluice.child_exit
# Last: it adds Sluice's hooks to those above, and has the master forget what it imported here.
install(globals())
