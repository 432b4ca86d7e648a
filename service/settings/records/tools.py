"""The limits of tools that a model calls on the server."""

from __future__ import annotations

from dataclasses import dataclass

from ..fields import setting
from ..parsers import count, seconds


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """How often an answer may call tools, and how long a call may take."""

    steps: int = setting(
        "SLUICE_TOOL_STEPS",
        count(1, 100, "steps"),
        8,
        "How often one answer may call tools, several at once counting as one time. Then the model has to answer "
        "without them.",
    )
    timeout: float = setting(
        "SLUICE_TOOL_TIMEOUT",
        seconds(0.05, 3600),
        30.0,
        "Seconds for one call of a tool, unless the tool has a limit of its own.",
    )
    consent_timeout: float = setting(
        "SLUICE_CONSENT_TIMEOUT",
        seconds(0.05, 3600),
        120.0,
        "Seconds for a person to allow a call of a tool that needs it; then it counts as refused.",
    )
