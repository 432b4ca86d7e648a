"""The programs in the pages of the documentation."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def program(page: str, part: str) -> str:
    """Return the only block of Python on a page that contains a text."""
    (found,) = [block for block in blocks((ROOT / page).read_text(encoding="utf-8"), "python") if part in block]
    return found


def blocks(text: str, language: str = "") -> list[str]:
    """Return the fenced blocks of a language in a text; without a language, those that name none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for named, block in found if named == language]
