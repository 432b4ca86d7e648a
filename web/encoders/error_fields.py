"""A service's error -> the fields by which a client learns of it, in a reply or in a frame."""

from __future__ import annotations

from typing import Any

from ...service.errors import InvalidRequest, ServiceError
from ...service.observability.logging import request_id


def error_fields(error: ServiceError) -> dict[str, Any]:
    """Say an error to a client, in a reply or in a frame: safe words only."""
    fields: dict[str, Any] = {
        "success": False,
        "error": error.safe_message,
        "code": error.code,
        "retryable": error.retryable,
        "request_id": request_id.get(),
    }
    if isinstance(error, InvalidRequest) and error.field is not None:
        fields["field"] = error.field
    return fields
