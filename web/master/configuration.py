"""What `sluice.gunicorn` needs beside gunicorn's own settings: Sluice's settings, and hooks of the master."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from ...service.settings.load import load_settings
from ...service.settings.names import warn_of_unused_names
from ...service.settings.settings import SettingsError
from ...service.settings.sources import kept_files
from . import start_signals
from .descriptors import raise_descriptor_limit
from .heartbeat_directory import NoDirectory, choose_heartbeat_directory
from .import_path import remove_gunicorn_folder
from .listen_address import AddressUnavailable, format_address, refuse_unavailable
from .malloc_arenas import share_one_arena
from .master_log import MasterLog
from .metrics_directory import MetricsDirectory
from .start_folder import find_working_directory

logger = logging.getLogger("sluice.gunicorn")


class Configuration:
    """The configuration of one server, made each time that gunicorn reads its configuration file.

    Its methods are hooks, which gunicorn calls in the master.
    """

    def __init__(self) -> None:
        """Read the settings, and set up the master: its signals, import path, log and directories.

        Raises:
            SystemExit: The server cannot start. The text says why, and what to change.
        """
        start_signals.prepare_master()
        remove_gunicorn_folder()
        dotenv = find_working_directory() / ".env"
        try:
            loaded = load_settings(os.environ, dotenv)
        except SettingsError as error:
            sys.exit(f"Sluice cannot start:\n{error}")
        if kept_files.kept() is None:
            kept_files.keep(loaded.contents)
        self.settings = loaded.settings
        self._warnings = [
            *self.settings.contradictions(),
            *warn_of_unused_names(os.environ, loaded.written, self.settings),
        ]
        if loaded.has_lost_dotenv:
            self._warnings.append(f"{dotenv} had settings before, and now is empty or gone: they have no effect.")
        raise_descriptor_limit(self.settings.limits.descriptors)
        # Before the first thread of this process, which is the log's: what is chosen here, workers inherit.
        share_one_arena()
        self._log = MasterLog(self.settings)
        self._log.start()
        #: For gunicorn's setting of this name.
        self.logger_class = self._log.logger_class()
        #: For gunicorn's setting of this name.
        self.worker_tmp_dir = _choose_heartbeat_directory()
        self._metrics = MetricsDirectory(self.settings.server.metrics_directory)

    @property
    def address(self) -> str:
        """Where the server listens, as gunicorn's setting `bind` has it."""
        host, port = self.settings.server.host, self.settings.server.port
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def on_starting(self, server: Any) -> None:
        """Hand the metrics' directory to the workers, and refuse an address that is not available."""
        try:
            self._metrics.give_to(server.cfg.uid, server.cfg.gid)
        except OSError as error:
            server.log.warning("the workers may not write their metrics: %s", error)
        # gunicorn would try for five seconds. A socket that was handed over (USR2, systemd) is open already.
        if not {"GUNICORN_FD", "GUNICORN_PID", "LISTEN_FDS"} & os.environ.keys():
            for address in server.cfg.address:
                try:
                    refuse_unavailable(address)
                except AddressUnavailable as error:
                    sys.exit(f"Sluice cannot start:\n{error}")

    def on_reload(self, server: Any) -> None:
        """Give the log its form again, and log what `when_ready` does, of the new settings."""
        # gunicorn's log lives as long as the master, and by now has set itself up by the settings of its start.
        self._log.format(server.log)
        self._describe(server)

    def when_ready(self, server: Any) -> None:
        """Log where the server listens, which model answers, and what does not fit together in the settings."""
        self._describe(server)

    def child_exit(self, server: Any, worker: Any) -> None:
        """Remove the gauges of a worker that has ended."""
        try:
            self._metrics.forget(worker.pid)
        except OSError as error:
            # Raised here, it would end the master.
            server.log.warning("the gauges of a worker that has ended stay in the metrics: %s", error)

    def _describe(self, server: Any) -> None:
        for sentence in self._warnings:
            server.log.warning("%s", sentence)
        provider = self.settings.provider
        if provider.is_demo:
            model = "the built-in demo model (a script; set OPENAI_BASE_URL or OPENAI_API_KEY for a real one)"
        else:
            names = ", ".join(each.name for each in provider.catalog.providers)
            model = f"{provider.default_model} at {names or provider.base_url or 'api.openai.com'}"
        for listener in server.LISTENERS:
            address = format_address(listener.sock.getsockname(), is_tls=server.cfg.is_ssl)
            server.log.info("Sluice listens on %s", address)
        server.log.info("Answers come from %s", model)


def _choose_heartbeat_directory() -> str:
    """Choose where the workers' heartbeat files are; a worker checks it again before it is forked."""
    try:
        directory, complaints = choose_heartbeat_directory()
    except NoDirectory as error:
        sys.exit(
            "Sluice cannot start:\nno file can be made for a worker's heartbeat; TMPDIR should name a directory that "
            f"can be written. {error}."
        )
    for complaint in complaints:
        logger.warning(
            "the workers' heartbeat files are in %s, as another directory cannot be used: %s", directory, complaint
        )
    return directory
