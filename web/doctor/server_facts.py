"""What a deployment says of itself, and whether that fits."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from .deployment import LOST, Deployment, Unreachable
from .findings import Finding, change, note, ok


def read_facts(deployment: Deployment) -> dict[str, Any]:
    """Ask the deployment which server it is.

    Raises:
        Unreachable: It cannot be checked.
    """
    url = deployment.url
    try:
        status, facts = deployment.get_json("/api/doctor")
    except LOST as error:
        raise Unreachable(f"{url} cannot be reached: {error or type(error).__name__}.") from None
    if status == HTTPStatus.OK and isinstance(facts, dict) and "store" in facts:
        return facts
    if 300 <= status < 400:
        raise Unreachable(f"{url} answers with a redirect ({status}); use the address where it leads.")
    if status == HTTPStatus.FORBIDDEN:
        raise Unreachable(
            f"{url} answers 403: the user of this cookie may not chat, or the address is closed to this one. Only "
            "those who may chat can check it: send the cookie of another user."
        )
    if status == HTTPStatus.UNAUTHORIZED:
        raise Unreachable(
            f"{url} answers {status}: only signed-in users may check it. Copy the cookie from a signed-in browser: "
            "--header 'Cookie: session=...'."
        )
    raise Unreachable(
        f"{url}/api/doctor answers {status}. The address should be that of the page, such as "
        "https://example.com/assistant; the deployment should have this version, and SLUICE_DOCTOR should be on."
    )


def check_server(facts: dict[str, Any]) -> Finding:
    """Judge which server this is."""
    server, worker = facts["server"] or "an unknown server", facts["worker"]
    if "SluiceWorker" in worker:
        return ok("server", f"{server} with Sluice's worker")
    if not facts["has_threads"]:
        return change(
            "server",
            f"{server} handles one request at a time in each process",
            'gunicorn: `worker_class = "gthread"` and `threads`, or Sluice\'s worker by `-c '
            "python:sluice.gunicorn`. uWSGI: `--threads`.",
        )
    seen = f"{server}{f' with the worker {worker}' if worker else ''}; each stream holds a thread"
    if "werkzeug" in server.lower():
        return change("server", f"{seen}; it is for development", "Serve it with gunicorn -c python:sluice.gunicorn.")
    advice = "gunicorn -c python:sluice.gunicorn has a worker in which a token wakes no thread."
    return note("server", seen, advice if "gunicorn" in server.lower() else "")


def check_threads(facts: dict[str, Any]) -> Finding:
    """Judge whether there are threads for all streams and for all else."""
    threads, streams = facts["threads"], facts["max_streams"]
    if threads is None:
        return note(
            "threads",
            "their number is not known",
            f"It should be larger than SLUICE_MAX_STREAMS ({streams}), which may be lowered: waitress: --threads; "
            "uWSGI: --threads; plain gunicorn: --threads.",
        )
    if "SluiceWorker" in facts["worker"]:
        return ok("threads", f"{threads} at most; a stream holds none")
    if threads <= streams:
        return change(
            "threads",
            f"{threads} threads for {streams} streams: when all stream, nothing else is answered",
            f"Set `threads` to {streams + 16} or more, or SLUICE_MAX_STREAMS below {threads}.",
        )
    return ok("threads", f"{threads} threads for {streams} streams")


def check_store(facts: dict[str, Any]) -> Finding:
    """Judge whether answers can go on without their client, on whichever worker it comes back to."""
    kind, workers = facts["store"], facts["workers"]
    if kind == "off":
        return note("store", "none; answers end with their connection", "SLUICE_STORE=sqlite: keeps them.")
    if not facts["store_answers"]:
        return change(
            "store",
            f"{kind}: does not answer; answers that should go on without their client are refused with 503",
            "The lines of sluice.store in the server's log say why. SLUICE_STORE should name a store that the server "
            "can reach, or a file that it can write.",
        )
    if kind == "memory":
        if workers > 1:
            return change(
                "store",
                f"memory: of each of {workers} workers; a client that comes back to another one does not find its "
                "answer",
                "SLUICE_STORE=sqlite: is shared by the workers of a host, redis: by several hosts.",
            )
        return note(
            "store", "memory: of one process; a restart forgets the answers", "SLUICE_STORE=sqlite: keeps them."
        )
    shared = "the workers of this host" if kind == "sqlite" else "all hosts that name it"
    return ok("store", f"{kind}: answers, and is shared by {shared}")
