"""Separate reasoning from text where a model writes both into its content, the reasoning between tags.

Models write `<think>...</think>` before their answer, and servers without a reasoning parser send it as content. Tags
are read at the beginning only: later on, an answer may be about them.

Some chat templates put the opening tag into the prompt, so that only `</think>` comes. When it comes, the reasoning
before it has already been shown as text. So it stays text, in both modes. `without_thinking` removes it from history,
as the chat templates of DeepSeek and Qwen do (`content.split('</think>')[-1]`).
"""

from __future__ import annotations

import re
from enum import Enum, auto

# Of DeepSeek, Qwen, MiniMax and most others; of ERNIE; of Gemini; of Kimi-VL. In any case of letters.
_OPENING = ("<think>", "<thinking>", "<thought>", "◁think▷")
_FIRST = frozenset(tag[0] for tag in _OPENING)
# Characters. White space before a tag is held back until more has come; no model writes as much of it.
_MOST_SPACE = 256
# Not where it is quoted: then the answer is about it.
_CLOSING = re.compile(r"""(?<![`"'])</think>(?![`"'])""")


class _State(Enum):
    BEGINNING = auto()
    REASONING = auto()
    #: Only white space came after the closing tag.
    AFTER_REASONING = auto()
    TEXT = auto()


class ThinkTagSplitter:
    """Splits one answer. Not thread-safe."""

    def __init__(self) -> None:
        """Begin an answer."""
        self._state = _State.BEGINNING
        # Text that may be a part of a tag, or white space before one.
        self._held = ""
        self._closing = ""
        self._has_reasoning = False

    @property
    def is_settled(self) -> bool:
        """Whether all that comes next is text, and need not be split."""
        return self._state is _State.TEXT

    @property
    def has_opened(self) -> bool:
        """Whether the answer began with an opening tag."""
        return bool(self._closing)

    def split(self, text: str) -> list[tuple[bool, str]]:
        """Split the next text.

        Args:
            text: Cut anywhere.

        Returns:
            The parts that are known by now, in order, none of them empty: whether it is reasoning, and its text.
        """
        text = self._held + text
        self._held = ""
        parts: list[tuple[bool, str]] = []
        if self._state is _State.BEGINNING:
            text = self._open(text)
        if self._state is _State.REASONING:
            # White space after the tag is not reasoning: `<think>\n\n</think>` is empty.
            if not self._has_reasoning:
                text = text.lstrip()
            reasoning, closing, rest = text.partition(self._closing)
            if not closing:
                kept = _overlap(text, self._closing)
                reasoning, self._held = text[: len(text) - kept], text[len(text) - kept :]
            if reasoning:
                self._has_reasoning = True
                parts.append((True, reasoning))
            if not closing:
                return parts
            self._state = _State.AFTER_REASONING
            text = rest
        if self._state is _State.AFTER_REASONING and (text := text.lstrip()):
            self._state = _State.TEXT
        if self._state is _State.TEXT and text:
            parts.append((False, text))
        return parts

    def finish(self) -> list[tuple[bool, str]]:
        """Return what is held back: it was not a part of a tag. Again, it returns nothing."""
        held, self._held = self._held, ""
        return [(self._state is _State.REASONING, held)] if held else []

    def _open(self, text: str) -> str:
        """Look for an opening tag; return the text after it, or all of it where there is none."""
        start = text.lstrip()
        if start and start[0] not in _FIRST:  # nearly every answer's first text
            self._state = _State.TEXT
            return text
        for tag in _OPENING:
            written = start[: len(tag)]
            if written.lower() == tag:
                # As it was written: `</Think>` closes `<Think>`.
                self._closing = f"{written[0]}/{written[1:]}"
                self._state = _State.REASONING
                return start[len(tag) :]
        if len(text) <= _MOST_SPACE and any(tag.startswith(start.lower()) for tag in _OPENING):
            self._held = text
            return ""
        self._state = _State.TEXT
        return text


def _overlap(text: str, tag: str) -> int:
    """Return how many characters at the end of `text` may be the beginning of `tag`."""
    for length in range(min(len(tag) - 1, len(text)), 0, -1):
        if text.endswith(tag[:length]):
            return length
    return 0


def without_thinking(text: str) -> str:
    """Return an earlier answer without the reasoning at its beginning, for the history that a model gets."""
    splitter = ThinkTagSplitter()
    parts = splitter.split(text) + splitter.finish()
    if splitter.has_opened:
        return "".join(part for is_reasoning, part in parts if not is_reasoning)
    closing = _CLOSING.search(text)
    if closing is None or "<think>" in text[: closing.start()]:
        return text
    return text[closing.end() :].lstrip()
