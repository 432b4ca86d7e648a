"""Search in the documents, on the event loop: SQLite's full-text index, by aiosqlite."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import NamedTuple

import aiosqlite

# Of three characters each, which finds parts of words, and Chinese, which has no spaces. SQLite 3.34 or newer.
_CREATE = "CREATE VIRTUAL TABLE document USING fts5(title, body, tokenize = 'trigram')"
# The best match first.
_SEARCH = "SELECT title, body FROM document WHERE document MATCH ? ORDER BY rank LIMIT ?"
MOST_CHARS = 500


class Document(NamedTuple):
    """A document of the help desk."""

    title: str
    body: str


async def search_documents(database: str, question: str, limit: int = 2) -> list[Document]:
    """Return the documents that share most with a question. For the event loop.

    A connection is opened for each question, and closed even if the client disconnects meanwhile. A search by meaning
    would ask a service for embeddings here, with a client such as httpx's AsyncClient.
    """
    text = question[:MOST_CHARS].lower()
    parts = {word[start : start + 3] for word in re.findall(r"\w+", text) for start in range(len(word) - 2)}
    if not parts:
        return []
    query = " OR ".join(f'"{part}"' for part in sorted(parts))
    async with aiosqlite.connect(f"{Path(database).as_uri()}?mode=ro", uri=True) as connection:
        rows = await connection.execute_fetchall(_SEARCH, (query, limit))
    return [Document(*row) for row in rows]


def add_documents(database: str, documents: list[Document]) -> None:
    """Make the index and put documents into it. Not for the event loop."""
    with closing(connect(database)) as connection, connection:
        connection.execute(_CREATE)
        connection.executemany("INSERT INTO document (title, body) VALUES (?, ?)", documents)
