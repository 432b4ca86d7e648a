"""Writes the lines of the loggers `sluice.*` to gunicorn's log, unless the operator has configured them."""

from __future__ import annotations

import logging

from ...service.observability.logging import LineFormatter

_ROOT = "sluice"


class _MessageFormatter(LineFormatter):
    """Formats logger, request id and message. gunicorn's handlers add time, process and level."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without the text of an exception."""
        return f"{record.name} [{record.__dict__['request_id']}] {record.message}"


class SluiceLog(logging.Handler):
    """Passes records to gunicorn's handlers, without keys."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        """Take the texts that must never be written, such as the provider's key."""
        super().__init__()
        self.setFormatter(_MessageFormatter(secrets))
        self._target = logging.getLogger("gunicorn.error")

    def attach(self, target: logging.Logger, level: str) -> None:
        """Write all later records of `sluice.*`, unless these loggers have handlers.

        Args:
            target: The logger whose handlers write gunicorn's log.
            level: The lowest level that is written, such as `INFO`.
        """
        logger = logging.getLogger(_ROOT)
        if logger.hasHandlers():
            return
        self._target = target
        logger.addHandler(self)
        logger.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. On the thread that logs it."""
        written = logging.makeLogRecord(record.__dict__)
        # The formatted text includes the exception.
        written.msg, written.args = self.format(record), ()
        written.exc_info = written.exc_text = written.stack_info = None
        for handler in self._target.handlers:
            if written.levelno >= handler.level:
                handler.handle(written)
