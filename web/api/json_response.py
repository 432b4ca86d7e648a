"""Replies in JSON. In UTF-8 without escapes, which would double the bytes of Chinese text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Response


def make_json_response(fields: Mapping[str, Any], status: int = 200) -> Response:
    """Return a reply with these fields. Not Flask's `jsonify`, whose format a host application can change.

    Args:
        fields: The fields of the reply. Dataclasses among the values become objects.
        status: The HTTP status.
    """
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), default=asdict)
    # Half of a surrogate pair, alone in a model's text, has no UTF-8. Python's escape for it is valid JSON.
    return Response(f"{text}\n".encode(errors="backslashreplace"), status, mimetype="application/json")


def make_uncached_response(fields: Mapping[str, Any], status: int = 200) -> Response:
    """Return such a reply for one request alone: no cache may store it.

    Args:
        fields: As `make_json_response`.
        status: As `make_json_response`.
    """
    response = make_json_response(fields, status)
    response.headers["Cache-Control"] = "no-store"
    return response
