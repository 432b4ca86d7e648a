"""The page's libraries: `make vendor` copies them into `static/vendor`, and the wheel contains them."""

from __future__ import annotations

from typing import Final

from .assets import Assets

#: What the page loads at once.
EARLY_LIBRARIES: Final = ("vendor/idb.js",)
#: Contained in the page. Without it, buttons show their names instead of icons.
ICONS: Final = "vendor/icons.svg"
#: How a page gets what it lacks.
REMEDY: Final = "run `make vendor` in the checkout and restart the server, or install a wheel that `make wheel` built"
#: All that static/js/browser/libraries.js loads. The page works without them, and shows less.
LIBRARIES: Final = (
    *EARLY_LIBRARIES,
    "vendor/dompurify.js",
    "vendor/highlight.js",
    "vendor/katex/katex.css",
    "vendor/katex/katex.js",
    "vendor/markdown-it.js",
    "vendor/unzipit.js",
)


def describe_missing_libraries(assets: Assets) -> list[str]:
    """Describe which libraries the page lacks, what it shows instead, and how to add them.

    Args:
        assets: The page's files.

    Returns:
        One message, or none if all libraries are there.
    """
    missing = [name for name in (*LIBRARIES, ICONS) if name not in assets]
    if not missing:
        return []
    # Without one of these two, the page parses no Markdown.
    is_plain = bool({"vendor/markdown-it.js", "vendor/dompurify.js"} & set(missing))
    consequence = "shows answers as plain text" if is_plain else "lacks some libraries"
    return [f"the page {consequence}: {', '.join(missing)} not found in {assets.source}; {REMEDY}"]
