"""The failures of a request, as one tree of exceptions.

    ServiceError                  code                    retryable
    ├── Overloaded                overloaded              yes   (retry_after)
    ├── ShuttingDown              shutting_down           yes   (retry_after)
    ├── Refused                   refused                 no
    ├── Stopped                   stopped                 no
    ├── Interrupted               interrupted             yes
    ├── StoreAway                 store_unavailable       yes   (retry_after)
    ├── RunUnknown                run_unknown             no
    ├── RunExpired                run_expired             no
    ├── KeyReused                 key_reused              no
    ├── CallUnknown               call_unknown            no
    ├── CallDecided               call_decided            no
    ├── TooManyReaders            too_many_readers        yes   (retry_after)
    ├── TooManyRuns               too_many_runs           yes   (retry_after)
    ├── UpstreamError
    │   ├── UpstreamUnavailable   upstream_unavailable    yes
    │   ├── UpstreamTimeout       upstream_timeout        yes
    │   ├── UpstreamRateLimited   upstream_rate_limited   yes   (retry_after)
    │   ├── ContextLengthExceeded context_length_exceeded no
    │   ├── ContentFiltered       content_filtered        no
    │   ├── QuotaExceeded         quota_exceeded          no
    │   ├── ModelNotFound         model_not_found         no
    │   ├── KeyRefused            key_refused             no
    │   ├── TemperatureRefused    temperature_refused     no
    │   ├── UpstreamRejected      upstream_rejected       no
    │   ├── UpstreamInvalid       upstream_invalid        yes
    │   ├── UpstreamTruncated     upstream_truncated      yes
    │   └── AnswerTooLarge        answer_too_large        no
    └── InternalError             internal                no

Each class has its code, the message that a client may see, and whether a further attempt can help. A provider's own
words are in ``detail``, which is for the log alone. A client's mistakes are in `web/request_errors.py`, and HTTP
statuses in `web/api/error_replies.py`.
"""

from __future__ import annotations

from typing import ClassVar

from .excerpts import excerpt

# Of a failure's detail: an excerpt of the provider's message, and what the operator can do about it.
DETAIL_CHARS = 4000


# By the reason of a stop.
_STOP_MESSAGES = {
    "abandoned": "The answer was stopped, because nobody was reading it.",
    "log_full": "The answer was stopped, because it became too long to keep.",
}


class ServiceError(Exception):
    """A failure with a code and a message that are safe to show to anybody."""

    code: ClassVar[str] = "internal"
    #: What a client may see; an instance may have a more precise one.
    public_message: str = "Something went wrong on the server."
    retryable: ClassVar[bool] = False
    #: Seconds after which another try may succeed, where all failures of the class have the same; `None` elsewhere.
    default_retry_after: ClassVar[float | None] = None

    def __init__(
        self, detail: str = "", *, public_message: str | None = None, retry_after: float | None = None
    ) -> None:
        """Describe one failure.

        Args:
            detail: For the log: what happened, the provider's words included; an excerpt is kept of it. Never shown
                to a client.
            public_message: For the client, where it can be more precise than the class's own.
            retry_after: Seconds after which another try may succeed, where it differs from the class's own.
        """
        self.detail = excerpt(detail, DETAIL_CHARS)
        self.public_message = public_message or type(self).public_message
        self.retry_after = self.default_retry_after if retry_after is None else retry_after
        super().__init__(f"{self.code}: {self.detail or self.public_message}")


class Overloaded(ServiceError):
    """No slot is free for another stream, or the process has no descriptor, thread or memory left for one."""

    code = "overloaded"
    public_message = "The server is busy. Please try again in a moment."
    retryable = True


class ShuttingDown(ServiceError):
    """The server drains: it takes no new streams, and open ones were given their time."""

    code = "shutting_down"
    public_message = "The server is restarting. Please try again in a moment."
    retryable = True
    # Another worker takes requests by then.
    default_retry_after = 1.0


class Refused(ServiceError):
    """The application refuses a chat, for a reason that its user may read. Raised by its functions."""

    code = "refused"
    public_message = "This request was refused."

    def __init__(self, public_message: str) -> None:
        """Take the sentence for the user: why the chat is refused, and what would be right."""
        super().__init__(public_message=public_message)


class Stopped(ServiceError):
    """The answer was stopped before its end: by its owner, for want of readers, or at the largest size of a log."""

    code = "stopped"
    public_message = "The answer was stopped."

    def __init__(self, reason: str = "stopped", *, public_message: str | None = None) -> None:
        """Describe one stop.

        Args:
            reason: `stopped`, `abandoned` or `log_full`. A client gets it, too.
            public_message: The sentence for the client. Default: that of the reason.
        """
        self.reason = reason
        super().__init__(public_message=public_message or _STOP_MESSAGES.get(reason))


class Interrupted(ServiceError):
    """The process that produced the answer has ended, or was shut down. What had come is kept."""

    code = "interrupted"
    public_message = "The answer was interrupted, because its server has stopped. What had come is kept."
    retryable = True


class StoreAway(ServiceError):
    """The store of runs does not answer: no run can be kept, and none of another process can be read."""

    code = "store_unavailable"
    public_message = "Answers cannot be kept right now. Please try again in a moment."
    retryable = True
    default_retry_after = 2.0


class RunUnknown(ServiceError):
    """There is no such run, or it is somebody else's."""

    code = "run_unknown"
    public_message = "There is no such answer. It may be somebody else's, or no longer known."


class RunExpired(ServiceError):
    """The run is known, and its events are gone."""

    code = "run_expired"
    public_message = "This answer is no longer kept."


class KeyReused(ServiceError):
    """The idempotency key was used for another request."""

    code = "key_reused"
    public_message = "This Idempotency-Key was used for another request. A new request should have a new key."


class CallUnknown(ServiceError):
    """No call of a tool waits for this decision."""

    code = "call_unknown"
    public_message = "No action of this answer waits for this decision. The answer may have ended."


class CallDecided(ServiceError):
    """The decision about a call was taken before, or came too late."""

    code = "call_decided"
    public_message = "This action was already allowed or refused, or the decision came too late."


class TooManyReaders(ServiceError):
    """As many clients read the run as may."""

    code = "too_many_readers"
    public_message = "Too many clients read this answer. Close one of them, and try again."
    retryable = True
    default_retry_after = 5.0


class TooManyRuns(ServiceError):
    """The owner has as many runs without a reader as one may have."""

    code = "too_many_runs"
    public_message = "Too many of your answers are being written unread. Stop one of them, or wait for its end."
    retryable = True
    default_retry_after = 5.0


class UpstreamError(ServiceError):
    """The provider failed. `detail` may hold its words, which a client never sees."""

    #: What the operator can do about it, for the log; empty where that is nothing in particular.
    advice: ClassVar[str] = ""


class UpstreamUnavailable(UpstreamError):
    """No connection, an unknown host, a reset before the first byte, or a 5xx."""

    code = "upstream_unavailable"
    public_message = "The model is not available right now. Please try again."
    retryable = True


class UpstreamTimeout(UpstreamError):
    """The first token, the next one or the whole answer took longer than its limit."""

    code = "upstream_timeout"
    public_message = "The model took too long to answer. Please try again."
    retryable = True


class UpstreamRateLimited(UpstreamError):
    """The provider refused the request because there were too many."""

    code = "upstream_rate_limited"
    public_message = "The model's provider is limiting requests. Please try again later."
    retryable = True


class ContextLengthExceeded(UpstreamError):
    """The conversation has more tokens than the model can read."""

    code = "context_length_exceeded"
    public_message = "The conversation is too long for this model. Start a new one or shorten it."
    advice = (
        "the conversation is longer than the model's context: a model with a larger one (OPENAI_MODEL), or smaller "
        "SLUICE_MAX_HISTORY and SLUICE_MAX_MESSAGE_CHARS, help"
    )


class ContentFiltered(UpstreamError):
    """The provider's content filter refused the conversation."""

    code = "content_filtered"
    public_message = (
        "The provider's content filter refused this message or the conversation before it. Reword it and ask again."
    )


class QuotaExceeded(UpstreamError):
    """The account with the provider has no quota, credit or balance left."""

    code = "quota_exceeded"
    public_message = (
        "The server's account with the model's provider is used up. Trying again does not help: ask the operator to "
        "top it up."
    )
    advice = (
        "the account of OPENAI_API_KEY, or of the provider's key in SLUICE_PROVIDERS, has no quota or balance left: "
        "top it up, raise its limit, or set another key"
    )


class ModelNotFound(UpstreamError):
    """The provider has no model of that name, or none for this key."""

    code = "model_not_found"
    public_message = (
        "The model's provider does not offer this model. Choose another one, or ask the operator to check its name."
    )
    advice = (
        "the provider has no such model for this key: OPENAI_MODEL and OPENAI_MODELS should name models that "
        "OPENAI_BASE_URL serves, and `models` in SLUICE_PROVIDERS those of each provider"
    )


class KeyRefused(UpstreamError):
    """The provider refused the key."""

    code = "key_refused"
    public_message = "The model's provider refused the server's key. Ask the operator to check it."
    advice = (
        "the provider refused the API key: OPENAI_API_KEY should be a valid key for the provider at OPENAI_BASE_URL, "
        "and `key` or `key_file` in SLUICE_PROVIDERS for each provider there"
    )


class TemperatureRefused(UpstreamError):
    """The model does not accept the request's temperature, or none at all."""

    code = "temperature_refused"
    public_message = "The model does not accept this temperature. Ask again with another one, or without one."
    advice = (
        "the model does not accept the request's temperature: a client sent it (SLUICE_ALLOW_TEMPERATURE=off stops "
        "that), or the application set it in Chat.extra"
    )


class UpstreamRejected(UpstreamError):
    """The provider refused the request for another reason (400, 403, 404, 422 and the like)."""

    code = "upstream_rejected"
    public_message = "The model's provider refused the request. The operator can find the reason in the log."


class UpstreamInvalid(UpstreamError):
    """What came is not a chat stream: HTML, JSON that is no answer, broken events, an event over the size limit."""

    code = "upstream_invalid"
    public_message = "The model's server sent something that is not an answer. Please try again."
    retryable = True


class UpstreamTruncated(UpstreamError):
    """The stream ended without a finish reason: what came is not the whole answer."""

    code = "upstream_truncated"
    public_message = "The answer was cut off before its end. Please try again."
    retryable = True


class AnswerTooLarge(UpstreamError):
    """The model wrote more than one answer may have. `stream` has sent what came before that; `block` drops it."""

    code = "answer_too_large"
    public_message = "The answer became too long and was stopped. Please ask for less at a time."


class InternalError(ServiceError):
    """An unhandled exception. It is logged with the request's id and the traceback."""
