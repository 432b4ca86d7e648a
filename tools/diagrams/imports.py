"""Which module of the program imports which, read from the source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: The package that holds the others once it is installed; the repository has them at the top level.
PACKAGE = "sluice"
PARTS = (PACKAGE, "service", "web")


@dataclass(frozen=True)
class Modules:
    """The modules of the program, and what they import of each other.

    Attributes:
        files: The path of each module's file below the repository, by the module's full name.
        imports: Pairs of an importing module and an imported one, without packages' `__init__`.
    """

    files: dict[str, Path]
    imports: frozenset[tuple[str, str]]


def read_modules(root: Path) -> Modules:
    """Read all modules of the program.

    Args:
        root: The repository.
    """
    files = {
        _module(file.relative_to(root)): file.relative_to(root)
        for part in PARTS
        for file in sorted((root / part).rglob("*.py"))
        if "static" not in file.parts
    }
    trees = {name: ast.parse((root / file).read_text(encoding="utf-8")) for name, file in files.items()}
    exports = {
        name: {
            alias.asname or alias.name: (module, alias.name) for module, alias in _imports(trees[name], name, file)
        }
        for name, file in files.items()
        if file.name == "__init__.py"
    }

    def origin(module: str, name: str) -> str:
        """Find the module that a name comes from: a module of that name, or where a package takes it from."""
        if f"{module}.{name}" in files:
            return f"{module}.{name}"
        if found := exports.get(module, {}).get(name):
            return origin(*found)
        return module

    pairs = {
        (name, origin(module, alias.name))
        for name, file in files.items()
        if file.name != "__init__.py" or name == f"{PACKAGE}.web"
        for module, alias in _imports(trees[name], name, file)
    }
    return Modules(files, frozenset(pair for pair in pairs if pair[1] in files and pair[0] != pair[1]))


def _module(file: Path) -> str:
    parts = file.with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts if parts[0] == PACKAGE else (PACKAGE, *parts))


def _imports(tree: ast.Module, name: str, file: Path) -> Iterator[tuple[str, ast.alias]]:
    """Yield each module of ours that is imported from, and the name that is taken of it."""
    package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parent, _, last = _full(alias.name).rpartition(".")
                yield parent, ast.alias(last)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                above = package[: len(package) - node.level + 1]
                module = ".".join([*above, *([node.module] if node.module else [])])
            else:
                module = _full(node.module or "")
            for alias in node.names:
                yield module, alias


def _full(module: str) -> str:
    return f"{PACKAGE}.{module}" if module.split(".")[0] in PARTS[1:] else module
