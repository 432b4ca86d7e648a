"""Parts of Markdown pages: tables, and blocks of a page that a program writes."""

from __future__ import annotations

from collections.abc import Sequence


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, aligned to the left. Line ends and bars in cells are escaped."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def code(text: str) -> str:
    """Return a text as code in a line; an empty text stays empty."""
    return f"`{text}`" if text else ""


def replace_block(page: str, name: str, text: str) -> str:
    """Put a text between the marks of a page.

    Args:
        page: The page as it is.
        name: The name in the marks.
        text: What should stand between them.

    Raises:
        ValueError: The page has no such marks.
    """
    begin, end = f"<!-- {name}: written by `make reference` -->", f"<!-- /{name} -->"
    before, found, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"the page should have {begin} and, after it, {end}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
