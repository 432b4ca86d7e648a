"""Which files hold generated reference, and what should stand in each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from . import api_page, errors_page, extension_page, log_page, metrics_page, modules_page, settings_page
from .markdown import replace_block

ROOT: Final = Path(__file__).resolve().parents[2]
#: For each page its blocks, and what makes the text of each.
BLOCKS: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "docs/reference/settings.md": {"settings": settings_page.english},
    "docs/reference/settings.zh-CN.md": {"settings": settings_page.chinese},
    "docs/reference/errors.md": {"overview": errors_page.overview, "errors": errors_page.details},
    "docs/reference/api.md": {"operations": api_page.operations, "types": api_page.types},
    "docs/reference/extension.md": {
        "extension": extension_page.extension,
        "chat": extension_page.chat,
        "run-end": extension_page.run_end,
        "refused": extension_page.refused,
        "tool-context": extension_page.tool_context,
        "conversation-store": extension_page.conversation_store,
        "templates": extension_page.templates,
        "config": extension_page.config,
    },
    "docs/reference/metrics.md": {"metrics": metrics_page.metrics},
    "docs/reference/log.md": {"json": log_page.json_fields, "run": log_page.run_fields},
    "docs/reference/modules.md": {"program": modules_page.program, "page": modules_page.page},
}
#: Files that are generated as a whole.
FILES: Final[Mapping[str, Callable[[], str]]] = {".env.example": settings_page.example}


def current(name: str) -> str:
    """Return what a file should hold, its prose as it is.

    Raises:
        ValueError: The page lacks the marks of a block, or what is generated lacks a description.
    """
    if name in FILES:
        return FILES[name]()
    text = (ROOT / name).read_text(encoding="utf-8")
    for block, make in BLOCKS[name].items():
        try:
            text = replace_block(text, block, make())
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return text


def stale() -> list[str]:
    """Return the names of the files that do not hold what they should."""
    return [name for name in (*BLOCKS, *FILES) if (ROOT / name).read_text(encoding="utf-8") != current(name)]


def write() -> list[str]:
    """Bring all files up to date, and return the names of those that changed."""
    changed = stale()
    for name in changed:
        (ROOT / name).write_text(current(name), encoding="utf-8")
    return changed
