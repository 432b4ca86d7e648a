"""Styles of what the pointer is on: on a touch screen, what was touched last would keep them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CSS: Final = Path(__file__).parents[4] / "web/static/css"


def rules(sheet: str) -> Iterator[tuple[str, ...]]:
    """Yield the selector of each rule, after the queries and selectors around it."""
    around: list[str] = []
    for text, brace in re.findall(r"([^{};]*)([{};])", re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)):
        if brace == "{":
            around.append(" ".join(text.split()))
            yield tuple(around)
        elif brace == "}":
            around.pop()


def test_only_devices_that_can_hover_have_styles_for_it() -> None:
    """Except where the keyboard focus has the same style, which a touch gives as well."""
    found = {
        (sheet.name, rule[-1])
        for sheet in CSS.glob("*.css")
        for rule in rules(sheet.read_text())
        if ":hover" in rule[-1] and ":focus" not in rule[-1] and "@media (hover: hover)" not in rule
    }
    assert found == set()
