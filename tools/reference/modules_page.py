"""Every module of the program and of the page, with the first sentence of its docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from .markdown import table

_ROOT: Final = Path(__file__).resolve().parents[2]
_PACKAGES: Final = ("sluice", "service", "web")
_PAGE: Final = "web/static/js"


def program() -> str:
    """Return a table for each folder of the Python package."""
    files = [file for package in _PACKAGES for file in (_ROOT / package).rglob("*.py") if "static" not in file.parts]
    return _by_folder(files)


def page() -> str:
    """Return a table for each folder of the page's modules."""
    return _by_folder((_ROOT / _PAGE).rglob("*.js"))


def names(text: str) -> list[str]:
    """Return the modules that a page of these tables lists, as paths below the repository."""
    return re.findall(r"^\| \[`[^`]+`\]\(\.\./\.\./([^)]+)\) \|", text, re.MULTILINE)


def _by_folder(files: Iterable[Path]) -> str:
    folders: dict[str, list[Path]] = {}
    for file in sorted(files):
        folders.setdefault(str(file.parent.relative_to(_ROOT)), []).append(file)
    return "\n\n".join(_folder(name, folders[name]) for name in sorted(folders))


def _folder(name: str, files: Iterable[Path]) -> str:
    said, rows = "", []
    for file in files:
        sentence = _first_sentence(file)
        if file.stem == "__init__":
            said = f"{sentence}\n\n" if sentence else ""
        else:
            rows.append([f"[`{file.stem}`](../../{file.relative_to(_ROOT)})", sentence])
    return f"### `{name}/`\n\n{said}{table(['Module', 'Holds'], rows) if rows else ''}".rstrip()


def _first_sentence(file: Path) -> str:
    text = file.read_text(encoding="utf-8")
    said = (ast.get_docstring(ast.parse(text)) or "") if file.suffix == ".py" else "\n".join(_comment(text))
    paragraph = " ".join(said.split("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z])", paragraph)[0]


def _comment(text: str) -> Iterator[str]:
    """Yield the lines of the comment with which a module of the page begins."""
    if found := re.match(r"/\*\*(.*?)\*/", text, re.DOTALL):
        for line in found[1].splitlines():
            yield line.strip().removeprefix("*").strip()
