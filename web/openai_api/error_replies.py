"""Errors -> replies in OpenAI's form."""

from __future__ import annotations

from flask import Response

from ...service.errors import ServiceError
from ...service.observability.logging import request_id
from ..api.error_replies import make_described_response, status_of
from ..encoders.openai_chunks import describe_openai_error

#: By it the openai client decides in place of the status (openai 3.54, `_base_client.py`, `_should_retry`).
RETRY_HEADER = "x-should-retry"


def make_openai_error(error: ServiceError) -> Response:
    """Return the reply for an error that is known before a stream has begun. In a request's context."""
    described = describe_openai_error(error, request_id.get(), status_of(error))
    response = make_described_response(error, {"error": described})
    if not error.retryable:
        response.headers[RETRY_HEADER] = "false"
    return response
