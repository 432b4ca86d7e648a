"""A service's error -> the fields that describe it to a client, in a reply or in a frame."""

from __future__ import annotations

from typing import Any

from ...service.errors import ServiceError, Stopped
from ..request_errors import InvalidRequest


def describe_error(error: ServiceError, request_id: str) -> dict[str, Any]:
    """Return the fields of an error: safe texts only.

    Args:
        error: What went wrong. Its `detail` is for the log and is left out.
        request_id: The id that finds the request's lines in the log.
    """
    fields: dict[str, Any] = {
        "success": False,
        "error": error.public_message,
        "code": error.code,
        "retryable": error.retryable,
        "request_id": request_id,
    }
    if isinstance(error, InvalidRequest) and error.field is not None:
        fields["field"] = error.field
    if isinstance(error, Stopped):
        fields["reason"] = error.reason
    return fields
