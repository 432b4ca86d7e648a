"""The settings of the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..fields import setting
from ..parsers import one_of

LogFormat = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class LoggingSettings:
    """How much is logged, and in which form."""

    level: str = setting(
        "SLUICE_LOG_LEVEL", one_of("debug", "info", "warning", "error"), "info", "How much is logged."
    )
    format: LogFormat = setting(
        "SLUICE_LOG_FORMAT",
        one_of("text", "json"),
        "text",
        "`json` logs one JSON object a line; `text`, for people.",
    )
