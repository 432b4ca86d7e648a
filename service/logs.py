"""Log lines: one request's id on each, keys taken out, and no line break that a stranger wrote.

Message texts are never logged, by the rule that nobody passes them to a logger.
"""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from typing import Any

#: The id of the request that the current thread or task works for; `-` outside of any. A coroutine submitted to
#: the loop inherits it from the thread that submitted.
request_id: ContextVar[str] = ContextVar("request_id", default="-")

# Bearer tokens, and the prefixed keys that providers give out (sk-..., sk-ant-..., gsk_..., AIza...).
_KEY = re.compile(r"(?i)(bearer\s+)\S+|\b(?:sk|pk|gsk|xai|hf|rk)[-_][\w\-.]{6,}|\bAIza[\w\-]{20,}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
REDACTED = "[key]"
SECRET_LEAST = 8


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Take out everything that looks like a key, and the given secrets wherever they stand."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return _KEY.sub(lambda match: (match.group(1) or "") + REDACTED, text)


class LineFormatter(logging.Formatter):
    """Time, level, logger, request id, message. Redacts the whole line, tracebacks included."""

    def __init__(self, secrets: tuple[str, ...] = (), **_: Any) -> None:
        """Take the secrets that must never be written, such as the provider's key."""
        super().__init__("%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s")
        self.default_msec_format = "%s.%03d"
        # A shorter one is a placeholder (`x`, `none`, `EMPTY`), and would be cut out of every other word.
        self._secrets = tuple(secret for secret in secrets if len(secret) >= SECRET_LEAST)

    def format(self, record: logging.LogRecord) -> str:
        """Write one record. A line break inside the message is escaped: it could fake a second record."""
        record.request_id = request_id.get()
        message = record.getMessage()
        if _CONTROL.search(message):
            record = logging.makeLogRecord(record.__dict__)
            record.msg = _CONTROL.sub(lambda match: ascii(match.group())[1:-1], message)
            record.args = None
        line, *rest = super().format(record).split("\n")
        # The text of an exception may hold line breaks: indented, none of its lines looks like a record.
        return redact("\n    ".join([line, *rest]), self._secrets)


def say_dropped(formatter: logging.Formatter, lines: int) -> str:
    """Say in the log's form how many lines a queue has dropped (`log_queue.py`)."""
    what = "%d lines of the log were dropped, because nobody read them, or because they could not be written"
    record = logging.LogRecord("sluice.log", logging.WARNING, __file__, 0, what, (lines,), None)
    return formatter.format(record) + "\n"
