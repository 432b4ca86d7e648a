"""Tickets, looked up on the event loop by aiosqlite."""

from __future__ import annotations

from pathlib import Path

import aiosqlite

_FIND = "SELECT subject FROM ticket WHERE id = ? AND user_id = ?"


async def find_subject(database: str, number: int, user_id: int) -> str | None:
    """Return the subject of a user's ticket; None where the user has none of this number. For the event loop."""
    async with aiosqlite.connect(f"{Path(database).as_uri()}?mode=ro", uri=True) as connection:
        rows = list(await connection.execute_fetchall(_FIND, (number, user_id)))
    return rows[0][0] if rows else None
