"""Make deltas of the texts of chunks: neighbours joined, characters whole, reasoning between tags set apart."""

from __future__ import annotations

from ..events.events import Delta, Reasoning, Text
from .completion_state import CompletionState
from .surrogate_pairs import SURROGATE, SurrogateJoiner
from .think_tags import ThinkTagSplitter


class DeltaBuilder:
    """Makes the deltas of one answer."""

    def __init__(self, state: CompletionState) -> None:
        """Begin an answer, whose state takes note of what comes."""
        self._state = state
        self._text_joiner = SurrogateJoiner()
        self._reasoning_joiner = SurrogateJoiner()
        self._think_tags: ThinkTagSplitter | None = ThinkTagSplitter()

    def add(self, kind: type[Delta], texts: list[str], deltas: list[Delta]) -> None:
        """Make one delta of texts that came one after the other.

        Args:
            kind: What the texts are.
            texts: None of them empty; the list is emptied.
            deltas: Gets the delta, or more of them where tags are in the text, or none where all is held back.
        """
        if not texts:
            return
        state = self._state
        state.has_progressed = state.has_deltas = True
        chunk_count = len(texts)
        text = texts[0] if chunk_count == 1 else "".join(texts)
        joiner = self._text_joiner if kind is Text else self._reasoning_joiner
        if joiner.held or not (text.isascii() or SURROGATE.search(text) is None):
            text = joiner.join(text)
        if kind is Text and self._think_tags is not None:
            self._add_parts(self._think_tags.split(text), deltas, chunk_count)
            if self._think_tags.is_settled:
                self._think_tags = None
        elif text:
            deltas.append(kind(text, chunk_count))
        texts.clear()

    def finish(self, deltas: list[Delta]) -> None:
        """Add what was held back for something that did not come. Again, it adds nothing."""
        text = self._text_joiner.finish()
        if self._think_tags is not None:
            if text:
                self._add_parts(self._think_tags.split(text), deltas, 1)
            self._add_parts(self._think_tags.finish(), deltas, 1)
        elif text:
            deltas.append(Text(text))
        if reasoning := self._reasoning_joiner.finish():
            deltas.append(Reasoning(reasoning))

    def _add_parts(self, parts: list[tuple[bool, str]], deltas: list[Delta], chunk_count: int) -> None:
        for is_reasoning, text in parts:
            deltas.append(Reasoning(text, chunk_count) if is_reasoning else Text(text, chunk_count))
            self._state.has_text = self._state.has_text or not is_reasoning
            chunk_count = 1
