"""The frames that all peers send, as docs/reference/wire.md has them."""

from __future__ import annotations

import json
from typing import Any

OPENING = b": ok\n\n"
HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
MEDIA_TYPE = "text/event-stream; charset=utf-8"


def text_frame(position: int, text: str) -> bytes:
    """Encode one token."""
    return _frame(position, {"success": True, "message": text, "interaction_mode": "stream"})


def done_frame(position: int, reason: str, usage: dict[str, Any] | None) -> bytes:
    """Encode the end."""
    end = {"success": True, "message": "", "interaction_mode": "stream", "done": True}
    return _frame(position, {**end, "finish_reason": reason, "usage": usage})


def _frame(position: int, fields: dict[str, Any]) -> bytes:
    return f"id: {position}\ndata: {json.dumps(fields, ensure_ascii=False)}\n\n".encode()
