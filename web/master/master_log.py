"""The log of gunicorn's processes: one form for all lines, keys taken out, and no write that waits for its reader."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from ...service.observability.log_queue import queue_files, queue_standard_streams
from ...service.observability.logging import format_dropped, log_formatter
from ...service.settings.settings import Settings
from ..intake.gunicorn_internals import Logger


class MasterLog:
    """Sets up the log of the master, which its workers inherit."""

    def __init__(self, settings: Settings) -> None:
        """Take the log's form and level, and the keys that must never be written."""
        self._is_json = settings.logging.format == "json"
        self._level = settings.logging.level.upper()
        self._formatter = log_formatter(settings.logging.format, settings.provider.secrets)

    def start(self) -> None:
        """Write the standard streams through queues, and show the lines of `sluice.*`. Starts the log's thread."""
        for stream in queue_standard_streams():
            stream.format_dropped = partial(format_dropped, self._formatter)
        handler = logging.StreamHandler()
        handler.setFormatter(self._formatter)
        logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
        logging.getLogger("sluice").setLevel(self._level)

    def format(self, log: Any) -> None:
        """Write the lines of gunicorn's log in this form, and its files through queues.

        Args:
            log: gunicorn's log, set up.
        """
        # An access log of text keeps the form that its operator chose.
        loggers = [log.error_log, log.access_log] if self._is_json else [log.error_log]
        for handler in [handler for logger in loggers for handler in logger.handlers]:
            handler.setFormatter(self._formatter)
        queue_files(log.error_log, log.access_log)

    def logger_class(self) -> type:
        """Make the class for gunicorn's setting `logger_class`, whose first line has this form already."""
        form = self.format

        # Not by gunicorn's setting `logconfig_dict`, which would turn the access log on as well.
        class SluiceLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
            """gunicorn's log in Sluice's form."""

            def setup(self, cfg: Any) -> None:
                """Set up the handlers, at the start and on HUP."""
                super().setup(cfg)
                form(self)

        return SluiceLogger
