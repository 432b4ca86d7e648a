"""Makes the store that the settings name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ...settings.records.storage import StorageSettings
from ...settings.settings import SettingsError
from .base import RunStore, StoreLimits, StoreUnavailable


def default_file() -> Path:
    """Return the path of the database where the setting names none: one for each user and working directory.

    Runs are kept for minutes, so /tmp is the right place, which a restart of the machine may empty.
    """
    name = hashlib.sha256(os.fsencode(Path.cwd())).hexdigest()[:16]
    # The store makes the folder for this user alone, and refuses another's.
    return Path("/tmp") / f"sluice-{os.getuid()}" / f"runs-{name}.db"  # noqa: S108


def make_store(settings: StorageSettings) -> RunStore:
    """Make the store that the settings name. Nothing is opened or connected.

    Raises:
        SettingsError: The URL is not one of a store, or the package that it needs is not installed.
    """
    limits = StoreLimits(kept=settings.kept, max_bytes=settings.max_store_bytes)
    kind, _, rest = settings.store.partition(":")
    if kind == "memory":
        from .memory import MemoryStore

        return MemoryStore(limits)
    if kind == "sqlite":
        from .sqlite import SqliteStore

        return SqliteStore(Path(rest) if rest else default_file(), limits)
    try:
        from .redis import RedisStore

        return RedisStore(settings.store, limits)
    except (StoreUnavailable, ValueError) as error:
        # The package is missing, or the URL is none.
        raise SettingsError([f"SLUICE_STORE is a {kind}: URL; it should be usable: {error}."]) from None
