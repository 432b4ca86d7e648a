"""`GET /healthz`, `/readyz` and `/metrics`: for operators and their tools."""

from __future__ import annotations

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from ...service import LoopState, LoopUnavailable
from ...service.observability.metrics import MetricsUnavailable
from ...service.observability.resources import exhausted, exhausted_by
from ..extension_state import ExtensionState
from .json_response import make_uncached_response

# A loop that is later than this keeps no promise about tokens; a load balancer should look elsewhere. Far above
# what a garbage collection or a burst of requests causes (tens of milliseconds).
LAG_LIMIT = 1.0


def make_operations_blueprint(state: ExtensionState) -> Blueprint:
    """Make the routes `/healthz`, `/readyz` and `/metrics`."""
    blueprint = Blueprint("operations", __name__)
    service = state.service

    # `/health` is where load testers of OpenAI-compatible servers look.
    @blueprint.get("/health")
    @blueprint.get("/healthz")
    def healthz() -> Response:
        health = service.health()
        is_alive = health.state in (LoopState.NEW, LoopState.RUNNING)
        return _make_status_response(is_alive, "ok" if is_alive else f"the event loop is {health.state.value}")

    @blueprint.get("/readyz")
    def readyz() -> Response:
        if service.draining:
            return _make_status_response(False, "draining")
        try:
            # Under a server without Sluice's hooks, nothing else starts the service before the first chat.
            service.start()
        except LoopUnavailable as error:
            return _make_status_response(False, str(error))
        except (OSError, RuntimeError, MemoryError) as error:
            if (lacking := exhausted_by(error)) is None:
                raise
            return _make_status_response(False, f"overloaded: {lacking}")
        if (lacking := exhausted()) is not None:
            return _make_status_response(False, f"overloaded: {lacking}")
        health = service.health()
        if health.state is not LoopState.RUNNING:
            return _make_status_response(False, f"the event loop is {health.state.value}")
        if health.lag > LAG_LIMIT:
            return _make_status_response(False, f"the event loop is {health.lag:.1f} s late")
        return _make_status_response(True, "ready")

    @blueprint.get("/metrics")
    def metrics() -> Response:
        try:
            text = service.metrics.exposition(service.health().lag, service.loop.tasks())
        except MetricsUnavailable as error:
            # Where a scrape fails, Prometheus keeps its values. Lower sums would look like a restart of the counters.
            return Response(f"The workers' metrics cannot be read now: {error}.\n", 503, mimetype="text/plain")
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    return blueprint


def _make_status_response(is_good: bool, status: str) -> Response:
    return make_uncached_response({"status": status}, 200 if is_good else 503)
