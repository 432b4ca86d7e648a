"""Which pictures are drawn, and where they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from . import modules, request_path

ROOT: Final = Path(__file__).resolve().parents[2]
#: What draws each picture.
PICTURES: Final[Mapping[str, Callable[[Path], str]]] = {
    "docs/img/modules.svg": modules.draw,
    "docs/img/request-path.svg": request_path.draw,
}


def stale() -> list[str]:
    """Return the names of the pictures that do not show the code as it is."""
    return [name for name, draw in PICTURES.items() if _held(name) != draw(ROOT)]


def write() -> list[str]:
    """Draw the pictures that are stale, and return their names."""
    changed = stale()
    for name in changed:
        (ROOT / name).write_text(PICTURES[name](ROOT), encoding="utf-8")
    return changed


def _held(name: str) -> str:
    file = ROOT / name
    return file.read_text(encoding="utf-8") if file.exists() else ""
