"""The lines of the loggers `sluice.*` in gunicorn's own log, where the operator gave them no other place."""

from __future__ import annotations

import logging

from ...service.observability.logging import LineFormatter

_ROOT = "sluice"


class _MessageFormatter(LineFormatter):
    """Logger, request id and message: gunicorn's handlers put time, process and level before it."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__(secrets)
        self._style = logging.PercentStyle("%(name)s [%(request_id)s] %(message)s")
        self._fmt = self._style._fmt


class SluiceLog(logging.Handler):
    """Passes records on to gunicorn's handlers, keys taken out."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        """Take the secrets that must never be written, such as the provider's key."""
        super().__init__()
        self.setFormatter(_MessageFormatter(secrets))
        self._gunicorns = logging.getLogger("gunicorn.error")

    def attach(self, gunicorns: logging.Logger, level: str) -> None:
        """Show what is logged from now on, unless it is shown already.

        Args:
            gunicorns: The logger whose handlers write gunicorn's log.
            level: The least level that is shown, such as `INFO`.
        """
        logger = logging.getLogger(_ROOT)
        if logger.hasHandlers():
            return
        self._gunicorns = gunicorns
        logger.addHandler(self)
        logger.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. On the thread that logs."""
        written = logging.makeLogRecord(record.__dict__)
        # The formatted text, with the exception's in it, is the whole message.
        written.msg, written.args = self.format(record), ()
        written.exc_info = written.exc_text = written.stack_info = None
        for handler in self._gunicorns.handlers:
            if written.levelno >= handler.level:
                handler.handle(written)
