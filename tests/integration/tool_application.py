"""An application whose model may call tools: one answers, one waits until it is cancelled, one needs consent."""

from __future__ import annotations

import asyncio

from flask import Flask

from sluice import Sluice, ToolContext

app = Flask("tools")
sluice = Sluice(app, url_prefix="/", operations=True)


@sluice.tool
async def search(context: ToolContext, query: str) -> str:
    """Search the documents."""
    await context.emit("citation", {"title": query})
    return f"found {query}"


@sluice.tool(timeout=60)
async def hang() -> None:
    """Wait."""
    await asyncio.Event().wait()


@sluice.tool(needs_consent=True)
async def send(to: str) -> str:
    """Send a mail."""
    return f"sent to {to}"
