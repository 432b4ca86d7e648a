"""Hooks that Sluice needs, for any configuration of gunicorn with any of its threaded workers.

`sluice.gunicorn` is a whole configuration, which has them. Alone:

    # the end of your gunicorn.conf.py
    from sluice.web.server.gunicorn_hooks import install
    install(globals())

Then SIGTERM drains: open streams get time to end, and then a terminal frame. Lines of the loggers `sluice.*` are in
gunicorn's log. No signal is lost while a process starts. An unsuitable worker class, such as gevent's, is refused.

`install` keeps the hooks that the configuration has; they run first. Each hook can also be used alone, by its name.
"""

from __future__ import annotations

import atexit
import functools
import gc
import os
import sys
from collections.abc import Callable
from typing import Any

from ..master import start_signals
from ..master.boot_record import BootRecord
from ..master.reload_guard import ReloadGuard
from ..master.replaced_threads import exit_if_threads_are_replaced
from ..master.start_folder import STARTED_IN
from ..master.worker_replacement import WorkerReplacement
from ..services import Services
from .plain_worker_signals import PlainWorkerSignals
from .sluice_log import SluiceLog
from .worker_load import WorkerLoads

# Worker classes in which no loop thread can run, or that serve no WSGI application.
_UNFIT = ("gevent", "eventlet", "tornado", "asgi", "uvicorn")
# Modules that a master keeps over HUP and shares with its workers. In this order: the log's queues and their threads;
# the request's id, which the master's formatter reads; what the files of settings held; the folder of the start; the
# fork hooks.
_KEPT = (
    "sluice.service.observability.log_queue",
    "sluice.service.observability.logging",
    "sluice.service.settings.sources.kept_files",
    "sluice.web.master.start_folder",
    "sluice.web.master.start_signals",
)
# The configuration as a module (`-c python:sluice.gunicorn`), and its package. They are still being imported when
# `install` is called.
_CONFIGURATION = ("sluice", "sluice.gunicorn")
# Whether the configuration that `install` has completed sets `bind`. It may set what is gunicorn's default, too.
_sets_bind = False


def on_starting(server: Any) -> None:
    """Refuse a worker class that cannot stream. Warn where gunicorn's default opens the server to the network."""
    name = server.cfg.worker_class_str
    if any(unfit in name.lower() for unfit in _UNFIT):
        sys.exit(
            f"Sluice cannot start:\nThe worker class is {name!r}, in which its event loop's thread cannot run; it "
            "should be sluice.web.server.worker.SluiceWorker or gthread."
        )
    # gunicorn's default of `bind` where PORT is set. HOST is a setting of Sluice, which a configuration has to use.
    default = f"0.0.0.0:{os.environ.get('PORT')}"
    if "PORT" in os.environ and not _sets_bind and server.cfg.settings["bind"].get() == [default]:
        server.log.warning(
            "the server listens at all addresses of this machine, because PORT is set and `bind` is not; the "
            "configuration should begin with `from sluice.gunicorn import *`, or set `bind`"
        )
    # With --preload, the application was loaded before.
    exit_if_threads_are_replaced(1)


def when_ready(server: Any) -> None:
    """Release the held signals, guard HUP, and let USR2 start in the folder of this start."""
    # gunicorn has recorded the folder of --chdir, from which relative paths of the command line would not be found.
    server.START_CTX["cwd"] = str(STARTED_IN)
    ReloadGuard(server)
    WorkerReplacement(server)
    _forget_configuration(server)
    start_signals.release()


def on_reload(server: Any) -> None:
    """Guard the next HUP by the code that is now on disk, and have this one stop the old workers in time."""
    ReloadGuard(server)
    WorkerReplacement(server)
    _forget_configuration(server)


def on_exit(server: Any) -> None:
    """End the test of a reload."""
    server.reload_guard.close()


def pre_exec(server: Any) -> None:
    """Hold signals while USR2 starts a new master."""
    start_signals.prepare_exec()


def pre_fork(server: Any, worker: Any) -> None:
    """Hold signals over the fork, and give the worker the memory that all workers share."""
    start_signals.expect_worker()
    # Kept at the server object, which outlives the modules that HUP loads again.
    if not hasattr(server, "worker_loads"):
        server.worker_loads = WorkerLoads()
        server.boot_record = BootRecord()
    worker.worker_loads = server.worker_loads
    worker.boot_record = server.boot_record


def post_fork(server: Any, worker: Any) -> None:
    """Let signals end the worker from now on. Stop the garbage collector while the application is loaded.

    What imports make, stays. To look through it again and again took a tenth of a start.
    """
    start_signals.exit_on_signal()
    worker.collects_later = gc.isenabled()
    gc.disable()


def post_worker_init(worker: Any) -> None:
    """Start the services of the application, and drain them on SIGTERM.

    Raises:
        LoopUnavailable: A loop does not run. gunicorn then ends.
    """
    services = Services.of(worker.wsgi)
    if services:
        services.describe_worker(worker.cfg.worker_class_str, worker.cfg.threads)
        SluiceLog(services.secrets).attach(worker.log.error_log, services.settings.logging.level.upper())
        if not getattr(worker, "drains_itself", False):
            services.limit_streams(services.settings.limits.max_held_threads)
            services.start()
            worker.sluice = PlainWorkerSignals(worker, services)
    if getattr(worker, "collects_later", False) and not getattr(worker, "drains_itself", False):
        gc.enable()
    start_signals.release()


def worker_exit(server: Any, worker: Any) -> None:
    """End open streams with a terminal frame, and close the services."""
    drain = getattr(worker, "sluice", None)
    # gunicorn also calls it in the master, for a worker that has ended.
    if drain is not None and worker.pid == os.getpid() and not drain.close():
        worker.log.warning("open streams or the event loop did not end in time; the process exits")


def child_exit(server: Any, worker: Any) -> None:
    """Clear the load of a worker that has ended."""
    loads = getattr(worker, "worker_loads", None)
    if loads is not None:
        loads.forget(worker.age)


HOOKS = (
    on_starting,
    when_ready,
    on_reload,
    on_exit,
    pre_exec,
    pre_fork,
    post_fork,
    post_worker_init,
    worker_exit,
    child_exit,
)


def install(configuration: dict[str, Any]) -> None:
    """Add all hooks of this module to a configuration. Called at its end; its own hooks run first.

    Does nothing with a hook to which they were added before, as of one that begins with `sluice.gunicorn`.

    Args:
        configuration: `globals()` of the configuration file.
    """
    global _sets_bind
    _sets_bind = "bind" in configuration
    start_signals.prepare_master()
    # Of a master in which --preload has patched threads, any error may come before `on_starting`.
    atexit.register(exit_if_threads_are_replaced, 1)
    for hook in HOOKS:
        own = configuration.get(hook.__name__)
        if own is not hook and getattr(own, "added", None) is not hook:
            configuration[hook.__name__] = hook if own is None else _chain(own, hook)
    _forget_modules()


def _forget_modules() -> None:
    """Remove Sluice's modules from the master, so that HUP starts workers with the code that is on disk."""
    for name in list(sys.modules):
        if name.partition(".")[0] == "sluice" and name not in _KEPT and name not in _CONFIGURATION:
            del sys.modules[name]


def _forget_configuration(server: Any) -> None:
    """Remove the configuration's module from the master, so that HUP reads the settings again."""
    sys.modules.pop("sluice.gunicorn", None)
    # With --preload, the application in the master uses its package.
    if not server.cfg.preload_app:
        sys.modules.pop("sluice", None)


def _chain(first: Callable[..., object], second: Callable[..., object]) -> Callable[..., None]:
    # gunicorn counts a hook's parameters, which `wraps` preserves.
    @functools.wraps(first)
    def hook(*arguments: Any) -> None:
        first(*arguments)
        second(*arguments)

    hook.added = second  # type: ignore[attr-defined]
    return hook
