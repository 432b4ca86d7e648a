"""A Flask application that has the extension, and whose model is the scripted one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from flask import Flask
from werkzeug.test import TestResponse

from sluice import Sluice

MakeApp: TypeAlias = Callable[..., tuple[Flask, Sluice]]


def ask(app: Flask, message: str = "Hi", mode: str = "block", **headers: str) -> TestResponse:
    """Ask a question, and return the reply. `headers` are those of the request."""
    body = {"message": message, "interaction_mode": mode}
    return app.test_client().post("/assistant/api/chat", json=body, headers=headers)


def frames_of(reply: TestResponse) -> list[dict[str, Any]]:
    """Return the data of a stream's events."""
    assert reply.status_code == 200, reply.text
    return [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: ")]
