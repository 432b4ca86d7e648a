"""What a provider says of a failure, gathered from whatever shape it comes in.

OpenAI's `{"error": {"message", "type", "code"}}`, a text in place of the object, Gemini's arrays and `details`,
FastAPI's `detail`, `{"object": "error"}`, JSON inside a text: the parts that say something are the same few fields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from .retry_after import duration, moment, plain_wait, wait_in_text

# What is read of it: no failure that was found needs more, and a hostile one costs no more.
READ_CHARS: Final = 8192
READ_VALUES, READ_DEPTH = 200, 8

# The fields that say what failed. Others are left alone: a validation error may quote the request in `input`.
_CODE_FIELDS = frozenset(
    [
        "code",
        "type",
        "status",
        "reason",
        "quotaid",
        "error_code",
        "errorcode",
        "error_type",
        "status_code",
        "statuscode",
        "http_status",
    ]
)
_TEXT_FIELDS = frozenset(
    ["message", "msg", "error", "detail", "details", "title", "raw", "description", "error_message", "error_msg"]
)
_NESTED_FIELDS = _TEXT_FIELDS | {"innererror", "metadata", "errors", "violations", "body", "response"}
_PARAM_FIELDS = frozenset(("param", "loc", "parameter"))


@dataclass(slots=True)
class Said:
    """What a provider said of a failure, gathered from whatever shape it came in."""

    codes: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    #: The names of fields that it complains about.
    params: list[str] = field(default_factory=list)
    #: HTTP statuses that it names in its codes.
    statuses: list[int] = field(default_factory=list)
    #: Seconds that it asks to wait, where its words say so.
    wait: float | None = None
    #: The moment that a limit is lifted: seconds since 1970.
    reset: float | None = None

    @property
    def text(self) -> str:
        """All texts as one, in lower case, for patterns."""
        return "\n".join(self.texts)[:READ_CHARS].lower()


def decoded(text: str) -> object:
    """Decode JSON; what is none, or was cut off, stays a text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def said_in(body: str) -> Said:
    """Return what a refusal's body says."""
    said = Said()
    gather(decoded(body), said)
    return said


def gather(value: object, said: Said) -> None:
    """Gather what a failure says, from any shape; bounded in depth and in number."""
    left = READ_VALUES
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting and left:
        left -= 1
        value, depth = waiting.pop(0)
        if isinstance(value, str):
            inner = decoded(value) if value.lstrip()[:1] in ("{", "[") and depth < READ_DEPTH else value
            if isinstance(inner, str):
                said.texts.append(inner[:READ_CHARS])
                said.wait = wait_in_text(inner[:READ_CHARS]) if said.wait is None else said.wait
            else:
                waiting.append((inner, depth + 1))
        elif isinstance(value, list) and depth < READ_DEPTH:
            waiting.extend((item, depth + 1) for item in value[:READ_VALUES])
        elif isinstance(value, dict) and depth < READ_DEPTH:
            for name, item in list(value.items())[:READ_VALUES]:
                _gather_field(str(name).lower(), item, said)
                if name.lower() in _NESTED_FIELDS:
                    waiting.append((item, depth + 1))


def _gather_field(name: str, item: object, said: Said) -> None:
    if name in _CODE_FIELDS and isinstance(item, str | int) and not isinstance(item, bool):
        code = str(item).strip().lower()[:200]
        if code.isdigit() and len(code) == 3:
            said.statuses.append(int(code))
        else:
            said.codes.add(code)
    elif name in _PARAM_FIELDS:
        said.params.append(str(item)[:200])
    elif name == "retrydelay" and said.wait is None:
        said.wait = duration(str(item))
    elif name == "headers" and isinstance(item, dict):
        # OpenRouter passes on the headers of the limit that was met.
        lower = {str(key).lower(): str(text) for key, text in list(item.items())[:READ_VALUES]}
        said.wait = said.wait if said.wait is not None else plain_wait(lower.get("retry-after", ""))
        said.reset = moment(lower.get("x-ratelimit-reset", ""))
