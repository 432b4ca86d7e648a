"""The loop of a driver in Python: a request is a line of JSON on standard input, and what a client saw are lines on
standard output: `{"piece": ...}` when a piece of text has come, and at last `{"seen": {...}}`.

It imports nothing of Sluice or of its tests: drivers run with other Pythons, too.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any

MODEL = os.environ.get("MODEL", "")
URL = os.environ.get("OPENAI_BASE_URL", "")
KEY = os.environ.get("OPENAI_API_KEY", "")

#: The tool and the form of answer that all clients ask for, in OpenAI's form.
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Seen:
    """What a client showed of one answer."""

    def __init__(self, write: Callable[[dict[str, Any]], None]) -> None:
        self.pieces: list[str] = []
        self.reasoning = ""
        self.calls: list[dict[str, Any]] = []
        #: Each time that the client reported usage: tokens in and out.
        self.usage: list[list[int]] = []
        self.finish: str | None = None
        self.value: Any = None
        self._write = write

    def add(self, text: str | None) -> None:
        """Add a piece of text, and report it at once."""
        if text:
            self.pieces.append(text)
            self._write({"piece": text})

    def count(self, tokens_in: int | None, tokens_out: int | None) -> None:
        """Add a report of usage, if there is one."""
        if tokens_in or tokens_out:
            self.usage.append([tokens_in or 0, tokens_out or 0])

    def call(self, name: str | None, arguments: Any) -> None:
        """Add a whole call of a tool; its arguments may be JSON."""
        self.calls.append(
            {"name": name, "arguments": json.loads(arguments) if isinstance(arguments, str) else arguments}
        )


def serve(operations: dict[str, Callable[..., Any]]) -> None:
    """Do what is asked for until standard input ends.

    Args:
        operations: By their names: functions, also coroutine functions, of a `Seen` and the request's other fields.
    """
    # What packages print themselves belongs to no answer.
    answers, sys.stdout = sys.stdout, sys.stderr

    def write(fields: dict[str, Any]) -> None:
        print(json.dumps(fields), file=answers, flush=True)

    write({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        operation = operations[request.pop("do")]
        seen = Seen(write)
        failure = None
        try:
            done = operation(seen, **request)
            if inspect.isawaitable(done):
                import asyncio

                asyncio.run(_finish(done))
        except Exception as error:
            failure = _describe(error)
        fields = {name: value for name, value in vars(seen).items() if not name.startswith("_")}
        write({"seen": {**fields, "error": failure}})


async def _finish(done: Any) -> None:
    await done


def _describe(error: BaseException) -> dict[str, Any]:
    status = getattr(error, "status_code", None)
    return {
        "types": [each.__name__ for each in type(error).__mro__],
        "message": str(error),
        "status": status if isinstance(status, int) else None,
        "code": getattr(error, "code", None),
    }
