"""`/v1/chat/completions` and `/v1/models`: OpenAI's API, over the same runs as `/api/chat`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Request, Response
from flask import request as current_request

from ...service.decoding.chunk_writer import to_json
from ...service.errors import ServiceError, ShuttingDown
from ...service.events.events import Chunks, Failed, Finished
from ...service.observability.logging import request_id
from ...service.runs.subscription import Subscription
from ...service.runs.terminal_error import copy_without_traceback
from ..api.answer import find_client, make_answer, open_run, prepare_chat
from ..api.json_response import make_uncached_response
from ..api.request_body import read_body
from ..encoders.openai_chunks import OpenAIChunkEncoder
from ..extension_state import ExtensionState
from ..request_errors import InvalidRequest
from ..security.origin import refuse_foreign_origin
from ..security.sign_in import current_user_key
from .chat_body import read_completion_request, refuse_model
from .completion_builder import CompletionBuilder

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def make_openai_blueprint(state: ExtensionState) -> Blueprint:
    """Make the routes below `/v1`."""
    blueprint = Blueprint("openai", __name__)
    settings = state.service.settings

    @blueprint.post("/v1/chat/completions", provide_automatic_options=False)
    def create_completion() -> Response:
        service = state.service
        request: Request = current_request._get_current_object()  # type: ignore[attr-defined]
        try:
            refuse_foreign_origin(request)
            raw = read_body(request, settings.max_chat_body_bytes)
            asked = read_completion_request(raw, settings, run_id=request_id.get(), user=current_user_key())
            client = find_client(request)
            state.require_thread(holds=asked.chat.mode == "block")
            chat = prepare_chat(state, asked.chat)
            run = open_run(state, request, chat)
        except ServiceError as error:
            service.metrics.refused(error.code)
            raise
        encode = OpenAIChunkEncoder(include_usage=asked.include_usage)
        return make_answer(state, request, chat, run, client, encode, _make_completion)

    @blueprint.get("/v1/models")
    def list_models() -> Response:
        names = settings.provider.allowed_models
        return make_uncached_response({"object": "list", "data": [_describe_model(name) for name in names]})

    @blueprint.get("/v1/models/<path:model>")
    def get_model(model: str) -> Response:
        if model not in settings.provider.allowed_models:
            raise refuse_model(settings)
        return make_uncached_response(_describe_model(model))

    @blueprint.route("/v1/", methods=_METHODS, defaults={"rest": ""})
    @blueprint.route("/v1/<path:rest>", methods=_METHODS)
    def refuse_route(rest: str) -> Response:
        allowed = "POST" if rest == "chat/completions" else "GET"
        is_known = rest == "chat/completions" or rest.partition("/")[0] == "models"
        if is_known and current_request.method not in (allowed, "HEAD" if allowed == "GET" else allowed):
            raise InvalidRequest(f"The method should be {allowed}.", status=405, headers={"Allow": allowed})
        raise InvalidRequest(
            "There is no such route here. Of OpenAI's API there are POST /v1/chat/completions, GET /v1/models and "
            "GET /v1/models/{model}.",
            status=404,
        )

    def _describe_model(name: str) -> dict[str, Any]:
        # The time when it was made is not known here; clients want a number.
        return {"id": name, "object": "model", "created": 0, "owned_by": settings.provider.name}

    return blueprint


def _make_completion(run: Subscription) -> Response:
    """Read a run to its end, and return the whole completion.

    Raises:
        ServiceError: The answer failed; what had come is dropped.
    """
    builder = CompletionBuilder()
    for _, events in run:
        for event in events:
            if isinstance(event, Chunks):
                builder.add(event)
            elif isinstance(event, Finished):
                # Not as other replies: it has the provider's numbers, of which JSON cannot express all.
                data = to_json(builder.finish(event)) + b"\n"
                return Response(data, headers={"Cache-Control": "no-store"}, mimetype="application/json")
            elif isinstance(event, Failed):
                raise copy_without_traceback(event.error)
    raise ShuttingDown("the run was closed")
