"""The `.env` file as it was when a server last started or reloaded: its later workers have something to fall back on.

A worker is also started where another one has died, at any time: also while somebody edits the file. The server's
master keeps what it has read, and keeps this module over HUP, so that it comes to its workers by the fork.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .settings import Settings

logger = logging.getLogger("sluice.settings")

_kept: dict[str, str] | None = None


def keep(written: Mapping[str, str] | None) -> None:
    """Keep what a good `.env` holds, for this process and those that it forks; None forgets it."""
    global _kept
    _kept = None if written is None else dict(written)


def load_settings(environ: Mapping[str, str], dotenv: Path) -> tuple[Settings, Mapping[str, str]]:
    """Read the settings; where they are bad, those of the kept `.env`, which the log says.

    Args:
        environ: Usually `os.environ`.
        dotenv: The `.env` file.

    Returns:
        The settings, and what is in the `.env` that they are of.

    Raises:
        SettingsError: The settings are bad, and nothing is kept, or what is kept has become bad.
    """
    # Here, because this module outlives the others in the master.
    from .settings import Settings, SettingsError
    from .sources import read_dotenv

    try:
        try:
            written = read_dotenv(dotenv)
        except ValueError as error:
            raise SettingsError([str(error)]) from None
        return Settings.load(environ, written), written
    except SettingsError as error:
        if _kept is None:
            raise
        settings = Settings.load(environ, _kept)
        logger.error("the settings are bad, and those of the last start or reload are used: %s", error)
        return settings, _kept
