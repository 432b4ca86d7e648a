"""What the clients say: a few built-in prompts, or those of a file, in turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

BUILT_IN: Final = (
    "What is the capital of France?",
    "Explain in three sentences how a sluice works.",
    "Write a haiku about a river that never stops.",
    "List five uses of server-sent events, with one line for each.",
    "用两句话介绍一下都江堰。",
    "Translate into German: the water finds its own way.",
    "Summarise the trade-offs between threads and event loops for a web server that streams.",
    "A train leaves at 9:40 and arrives at 13:05. How long does it take? Show the steps.",
)
MOST: Final = 100_000


class Prompts:
    """The fields of one request after another, from the first prompt again after the last."""

    def __init__(self, prompts: list[dict[str, Any]]) -> None:
        self._prompts = prompts
        self._next = 0

    def __repr__(self) -> str:
        return f"<Prompts, {len(self._prompts)} of them>"

    def __len__(self) -> int:
        return len(self._prompts)

    def take(self) -> dict[str, Any]:
        """Return the next prompt's fields."""
        fields = self._prompts[self._next % len(self._prompts)]
        self._next += 1
        return fields

    @classmethod
    def built_in(cls) -> Prompts:
        """Return those for which no file is needed."""
        return cls([{"message": text} for text in BUILT_IN])

    @classmethod
    def read(cls, path: Path) -> Prompts:
        """Read a file: a prompt on each line, or, where its name ends in .jsonl, a JSON object on each line.

        Raises:
            ValueError: It cannot be read or used; the text says what would be right.
        """
        try:
            lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ValueError(f"--prompts should be a text file with a prompt on each line; {path}: {why}") from None
        numbered = [(number, line) for number, line in enumerate(lines, 1) if line]
        if not 1 <= len(numbered) <= MOST:
            raise ValueError(f"--prompts should hold 1 to {MOST} prompts; {path} has {len(numbered)}")
        if path.suffix != ".jsonl":
            return cls([{"message": line} for _, line in numbered])
        return cls([_read_object(path, number, line) for number, line in numbered])


def _read_object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError:
        fields = None
    allowed = {"message", "conversation_history"}
    if not isinstance(fields, dict) or not isinstance(fields.get("message"), str) or not fields.keys() <= allowed:
        raise ValueError(
            f'line {number} of {path} should be such as {{"message": "Hello"}}, with `conversation_history` if '
            f"wanted, not {line[:60]!r}"
        )
    return fields
