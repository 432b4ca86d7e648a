"""Formats of the log, text and JSON: the request's id on each line, keys removed, line breaks escaped.

Texts of conversations are not passed to loggers.
"""

from __future__ import annotations

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ..excerpts import CUT

#: Logged outside of any request.
NO_REQUEST = "-"
#: The id of the request that the current thread or task works for; `-` outside of any.
request_id: ContextVar[str] = ContextVar("request_id", default=NO_REQUEST)


class Trace(NamedTuple):
    """A request's ids in a distributed trace, in hexadecimal digits (W3C Trace Context)."""

    trace_id: str
    #: The span of the sender of the request.
    span_id: str


#: The trace of the request that the current thread or task works for; `None` where it has none.
trace: ContextVar[Trace | None] = ContextVar("trace", default=None)

# Bearer tokens, and the prefixed keys that providers give out (sk-..., sk-ant-..., gsk_..., AIza...).
_KEY = re.compile(r"(?i)(bearer\s+)\S+|\b(?:sk|pk|gsk|xai|hf|rk)[-_][\w\-.]{6,}|\bAIza[\w\-]{20,}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
REDACTED = "[key]"
SECRET_LEAST = 8
# Of one text in the log, whatever it is: as long a traceback is read from both ends.
TEXT_CHARS = 2**14


def _without_end_in(text: str, secret: str) -> str:
    """Take the beginning of a secret from the end of a text, where an excerpt was cut inside it."""
    for length in range(len(secret) - 1, SECRET_LEAST - 1, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + REDACTED
    return text


def _bounded(text: str) -> str:
    """Leave out the middle of a text that is too long; to be used when keys have been taken out."""
    if len(text) <= TEXT_CHARS:
        return text
    half = TEXT_CHARS // 2
    return f"{text[:half]} ... ({len(text) - 2 * half} characters left out) ... {text[-half:]}"


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Replace everything that looks like a key, and the given secrets, by `[key]`."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
        if CUT in text:
            *cut, rest = text.split(CUT)
            text = CUT.join([*(_without_end_in(part, secret) for part in cut), rest])
    return _KEY.sub(lambda match: (match.group(1) or "") + REDACTED, text)


def log_formatter(kind: str, secrets: tuple[str, ...]) -> logging.Formatter:
    """Return the formatter of the log.

    Args:
        kind: `text` or `json`.
        secrets: Texts that must not be logged, such as the provider's key.
    """
    return JsonFormatter(secrets) if kind == "json" else LineFormatter(secrets)


def _long_enough(secrets: tuple[str, ...]) -> tuple[str, ...]:
    # A shorter one is a placeholder (`x`, `none`, `EMPTY`), and would be removed from other words.
    long_enough = [secret for secret in secrets if len(secret) >= SECRET_LEAST]
    # The longest first: of one that begins with another, the rest would stay.
    return tuple(sorted(long_enough, key=len, reverse=True))


class LineFormatter(logging.Formatter):
    """Time, level, logger, request id, message. Redacts the whole line, tracebacks included."""

    def __init__(self, secrets: tuple[str, ...] = (), **_: Any) -> None:
        """Take the texts that must not be logged, such as the provider's key."""
        super().__init__("%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s")
        self.default_msec_format = "%s.%03d"
        self._secrets = _long_enough(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Format one record. Line breaks inside the message are escaped: they could fake a second record."""
        within = trace.get()
        record.request_id = request_id.get() if within is None else f"{request_id.get()} trace={within.trace_id}"
        message = record.getMessage()
        if _CONTROL.search(message):
            record = logging.makeLogRecord(record.__dict__)
            record.msg = _CONTROL.sub(lambda match: ascii(match.group())[1:-1], message)
            record.args = None
        line, *rest = super().format(record).split("\n")
        # Indented, no line of an exception's text looks like a record.
        return _bounded(redact("\n    ".join([line, *rest]), self._secrets))


class JsonFormatter(logging.Formatter):
    """One JSON object a line. Redacts every text in it, tracebacks included.

    `time` (RFC 3339, UTC), `level`, `logger`, `request_id`, `trace_id` and `span_id` (null where there is none),
    `message`, and `exception` where there is one.
    """

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        """Take the texts that must not be logged, such as the provider's key."""
        super().__init__()
        self._secrets = _long_enough(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        own, within = request_id.get(), trace.get()
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, str | None] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "request_id": None if own == NO_REQUEST else own,
            "trace_id": None if within is None else within.trace_id,
            "span_id": None if within is None else within.span_id,
            "message": record.getMessage(),
        }
        # Not `exc_text`, where another formatter leaves a text that still has the keys.
        exception = [self.formatException(record.exc_info)] if record.exc_info else []
        if record.stack_info:
            exception.append(record.stack_info)
        if exception:
            fields["exception"] = "\n".join(exception)
        # Before the JSON: an escaped key would not be found.
        redacted = {name: text and _bounded(redact(text, self._secrets)) for name, text in fields.items()}
        line = json.dumps(redacted, ensure_ascii=False)
        # JSON allows characters that some readers take for the end of a line.
        return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", line)


def format_dropped(formatter: logging.Formatter, lines: int) -> str:
    """Return the line that reports how many lines a queue has dropped (`log_queue.py`)."""
    what = "%d lines of the log were dropped, because nobody read them, or because they could not be written"
    record = logging.LogRecord("sluice.log", logging.WARNING, __file__, 0, what, (lines,), None)
    return formatter.format(record) + "\n"
