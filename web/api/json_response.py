"""A reply in JSON, in UTF-8 as it is: escaped, Chinese takes twice the bytes and cannot be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Response


def make_json_response(fields: Mapping[str, Any], status: int = 200) -> Response:
    """Write fields as JSON. Not by Flask's `jsonify`, whose form is the application's own to choose.

    Args:
        fields: What the reply says; dataclasses among the values become objects.
        status: The HTTP status.
    """
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), default=asdict)
    # Half of a surrogate pair, alone in a model's text, has no bytes in UTF-8. Python's escape for it is JSON's too.
    return Response(f"{text}\n".encode(errors="backslashreplace"), status, mimetype="application/json")
