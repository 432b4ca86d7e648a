"""What the files of settings held when a server last started or reloaded: all workers of it have the same settings.

A worker also starts where another one has died, at any time: also while somebody edits `.env`. So it does not read
the files again. gunicorn's master keeps this module over HUP (`gunicorn_hooks.py`), and its workers get it by the
fork. Code that is newer than this module uses it, so it holds plain values.
"""

from __future__ import annotations

from collections.abc import Mapping

_kept: dict[str, bytes | None] | None = None
_earlier: dict[str, bytes | None] = {}


def kept() -> dict[str, bytes | None] | None:
    """Return what is kept, by paths; None where nothing is."""
    return _kept


def earlier() -> dict[str, bytes | None]:
    """Return what was kept before the last `forget`, or the last `keep`."""
    return _earlier


def keep(contents: Mapping[str, bytes | None]) -> None:
    """Keep what good files hold, for this process and those that it forks; None for a file that is not there."""
    global _kept
    forget()
    _kept = dict(contents)


def forget() -> None:
    """Have the files read again in this process."""
    global _kept, _earlier
    _earlier, _kept = _kept or {}, None
