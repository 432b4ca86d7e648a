"""Join characters whose two UTF-16 surrogates came in two chunks, as some servers cut emoji.

docs/decisions/0006-join-halves-of-a-character.md says why.
"""

from __future__ import annotations

import re

#: Finds a surrogate, the half of a character.
SURROGATE = re.compile("[\ud800-\udfff]")


class SurrogateJoiner:
    """Joins surrogates over the chunks of one kind of text. One for each answer and kind."""

    def __init__(self) -> None:
        """Begin with nothing held back."""
        #: The high surrogate that is held back; empty, nearly always.
        self.held = ""

    def join(self, text: str) -> str:
        """Put the held surrogate before a text, join pairs, and hold back a high surrogate at the end.

        Args:
            text: The next chunk's text, not empty.

        Returns:
            The text without what is held back; it may be empty.
        """
        text = (self.held + text).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        self.held = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        return text[: len(text) - len(self.held)]

    def finish(self) -> str:
        """Return the surrogate that is held back, or an empty text. Again, it returns an empty text."""
        held, self.held = self.held, ""
        return held
