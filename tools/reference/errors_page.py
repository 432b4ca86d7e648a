"""Every error that a client can see: the tree in `service/errors.py`, the statuses in `web/api/error_replies.py`."""

from __future__ import annotations

import inspect
from typing import Final

from sluice.service.errors import ServiceError, UpstreamError
from sluice.web.api.error_replies import STATUSES

from .markdown import code, table

# For errors without advice of their own: what to do, and who can do it.
_TO_DO: Final = {
    "invalid_request": "change the request. `error` says what was wrong and what would be right, `field` where.",
    "csrf_refused": "reload the page, which then has a new token. `error` holds the application's words.",
    "user_changed": "reload the page.",
    "sign_in_required": "sign in to the application, and ask again.",
    "forbidden": "ask the application's operator. Its `authorize` function refused this user.",
    "rate_limited": "ask again after `Retry-After`. The application limits how often its users ask.",
    "refused": "do as the sentence says. Operator: the application's `prepare` or `before_model` function raised it.",
    "overloaded": "ask again after `Retry-After`. Operator: raise `SLUICE_MAX_STREAMS` or `WEB_CONCURRENCY`.",
    "shutting_down": "ask again after `Retry-After`.",
    "run_unknown": "begin a new answer. Operator: several hosts need a common `SLUICE_STORE`; the log says so.",
    "run_expired": "begin a new answer. Operator: `SLUICE_RUN_KEPT` says for how long one can be read.",
    "call_unknown": "read the answer on: its `tool_result` says what became of the call.",
    "call_decided": "read the answer on. Operator: `SLUICE_CONSENT_TIMEOUT` says for how long a decision is awaited.",
    "key_reused": "send a new `Idempotency-Key` with each new request, and the same body with a repeated one.",
    "too_many_readers": "close another reader, and ask again. Operator: raise `SLUICE_RUN_MAX_READERS`.",
    "too_many_runs": "stop an answer by `POST /api/runs/<id>/stop`. Operator: raise `SLUICE_RUN_MAX_UNATTENDED`.",
    "stopped": "nothing, or ask again. `reason` is `stopped`, `abandoned` or `log_full`.",
    "interrupted": "ask for the rest: what had come can still be read. Operator: the log says why the process ended.",
    "store_unavailable": 'ask again after `Retry-After`, or with `"on_disconnect": "cancel"`. Operator: look at the '
    "store of `SLUICE_STORE`; the log names the reason.",
    "upstream_unavailable": "ask again. Operator: check `OPENAI_BASE_URL`, the network and the provider's status.",
    "upstream_timeout": "ask again. Operator: the log says which of the time limits has passed.",
    "upstream_rate_limited": "ask again after `Retry-After`. Operator: raise the limit at the provider.",
    "content_filtered": "change the message, or begin a new conversation.",
    "upstream_rejected": "operator: read the provider's words in the log; `request_id` finds them.",
    "upstream_invalid": "ask again. Operator: check that `OPENAI_BASE_URL` is a chat completions API; the log quotes "
    "what came.",
    "upstream_truncated": "ask again. Operator: look for a proxy before the provider that cuts long replies off.",
    "answer_too_large": "ask for a shorter answer. Operator: raise `SLUICE_MAX_ANSWER_CHARS`; a model that repeats "
    "itself never ends.",
    "internal": "report it with `request_id`; the log has the traceback.",
}
# Always sent, or only where the provider names a time.
_RETRY_AFTER: Final = {429: "always", 503: "always", 502: "where the provider names a time"}


def overview() -> str:
    """Return the table of codes, statuses and whether asking again can help."""
    rows = [
        [f"[`{kind.code}`](#{kind.code})", str(status), "yes" if kind.retryable else "no"]
        for kind, status in STATUSES.items()
    ]
    return table(["Code", "Status", "Retryable"], rows)


def details() -> str:
    """Return a section for each error.

    Raises:
        ValueError: An error has neither advice of its own nor any in this file.
    """
    return "\n\n".join(_section(kind, status) for kind, status in STATUSES.items())


def _section(kind: type[ServiceError], status: int) -> str:
    retry_after = _RETRY_AFTER.get(status) if kind.retryable else None
    facts = [
        "400, or another status that says what was wrong" if kind.code == "invalid_request" else str(status),
        "retryable" if kind.retryable else "not retryable",
        *([f"`Retry-After` {retry_after}"] if retry_after else []),
    ]
    when = " ".join(inspect.cleandoc(kind.__doc__ or "").split())
    return "\n".join(
        [
            f"### {code(kind.code)}",
            "",
            f"{', '.join(facts)}. {when}",
            "",
            f"- The client sees: {_sentence(kind)}",
            f"- To do: {_to_do(kind)}",
        ]
    )


def _sentence(kind: type[ServiceError]) -> str:
    return (
        "a message about this request."
        if kind.code in ("invalid_request", "csrf_refused")
        else f"“{kind.public_message}”"
    )


def _to_do(kind: type[ServiceError]) -> str:
    advice = kind.advice if issubclass(kind, UpstreamError) else ""
    found = f"as the message says. Operator: {advice}." if advice else _TO_DO.get(kind.code, "")
    if not found:
        raise ValueError(f"tools/reference/errors_page.py should say what to do about {kind.code}")
    return found
