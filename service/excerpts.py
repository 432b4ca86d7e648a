"""The beginning of a long text, for the log."""

from __future__ import annotations

from typing import Final

# A provider's explanation of a failure has a few hundred characters.
EXCERPT_CHARS: Final = 2000
#: Follows an excerpt.
CUT: Final = "... ("
# What is between the words of JSON and sentences, and in hardly any key.
_BETWEEN_WORDS = " \t\r\n\"',:{}[]"


def excerpt(text: str, most: int = EXCERPT_CHARS) -> str:
    """Return the beginning of a text, with the length of all of it where that is more than `most` characters.

    It is not cut inside a word: half a key would not be recognised, and so not taken out of the log.
    """
    if len(text) <= most:
        return text
    end = max(map(text[:most].rfind, _BETWEEN_WORDS))
    return f"{text[: end + 1]}{CUT}{len(text)} characters)"
