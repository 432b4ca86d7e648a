"""Logs which middleware's body keeps the loop from writing a stream."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

logger = logging.getLogger("sluice.web")


def report_unknown_body(body: object) -> None:
    """Log the type of a body around a stream, once in a process. For any thread."""
    code: Any = getattr(body, "gi_code", None)
    if code is None:
        _warn(f"an object of {type(body).__module__}.{type(body).__qualname__}")
    else:
        _warn(f"a generator of {code.co_qualname} ({code.co_filename}:{code.co_firstlineno})")


@cache
def _warn(name: str) -> None:
    logger.warning(
        "a middleware or an after_request function wraps streams in %s, which may change their bytes: they pass "
        "through it, and each token wakes a thread (docs/how-to/monitoring.md)",
        name,
    )
