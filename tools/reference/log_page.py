"""Fields of the log: those of a JSON line, as its formatter writes them, and those of the line that ends a run."""

from __future__ import annotations

import ast
import json
import logging
import re
import sys
from pathlib import Path
from typing import Final

from sluice.service.observability.logging import JsonFormatter

from .markdown import code, table

_SERVICE: Final = Path(__file__).resolve().parents[2] / "service"
_JSON: Final = {
    "time": "When, as RFC 3339 in UTC with milliseconds.",
    "level": "`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.",
    "logger": "Which part of the server: `sluice.*`, or gunicorn's own.",
    "request_id": "The request's id, the same as in `X-Request-Id` and in errors; null outside of any request.",
    "trace_id": "The trace id of the request's `traceparent`; null without one.",
    "span_id": "The span id of the request's `traceparent`; null without one.",
    "message": "What happened. Keys are taken out.",
    "exception": "The traceback; only where there is one.",
}
_RUN: Final = {
    "run": "The request's id.",
    "source": "The request's `source`.",
    "mode": "`stream` or `block`.",
    "model": "The model that was asked.",
    "provider": "The provider that answered, or was asked last; `-` where none was asked.",
    "outcome": "`done`, `disconnected` (by the client), `stopped` (the server ended it), `timeout` or `error`.",
    "code": "The [error's code](errors.md); `-` without an error.",
    "prompt_tokens": "Tokens of the conversation.",
    "completion_tokens": "Tokens of the answer.",
    "estimated": "`yes` where the provider did not count the tokens.",
    "cost": "What the answer cost, in money; `-` where no price is set, or no provider accepted the request.",
    "currency": "That of the cost; `-` without one.",
    "first_token_ms": "Milliseconds until the first token; `-` where none came.",
    "duration_ms": "Milliseconds from the beginning of the run to its end.",
    "stored": "The beginning of the id under which the answer outlives its connection (`flask sluice runs`); `-` "
    "without one.",
}


def json_fields() -> str:
    """Return the fields of a line with `SLUICE_LOG_FORMAT=json`."""
    try:
        raise ValueError("an example")
    except ValueError:
        raised = sys.exc_info()
    record = logging.LogRecord("sluice", logging.ERROR, __file__, 0, "an example", None, raised)
    return _fields(list(json.loads(JsonFormatter().format(record))), _JSON)


def run_fields() -> str:
    """Return the fields of the line that the server writes at the end of each run."""
    formats = [
        node.value
        for file in sorted(_SERVICE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("run=%s ")
    ]
    if len(formats) != 1:
        raise ValueError(f"service/ should have one format of a line that begins with run=%s, not {len(formats)}")
    return _fields(re.findall(r"(\w+)=%", formats[0]), _RUN)


def _fields(names: list[str], meanings: dict[str, str]) -> str:
    missing = [name for name in names if name not in meanings]
    if missing:
        raise ValueError(f"tools/reference/log_page.py should say what these fields mean: {', '.join(missing)}")
    return table(["Field", "Meaning"], [[code(name), meanings[name]] for name in names])
