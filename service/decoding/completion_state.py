"""How far an answer has come: whether it is whole, whether it has ended, and with which failure.

docs/decisions/0038-when-an-answer-is-complete.md says why the rules are these.
"""

from __future__ import annotations

import logging

from ..errors import UpstreamError, UpstreamUnavailable
from .chunk_contents import finish_reason_of

logger = logging.getLogger("sluice.model")

# Finish reasons of providers that fail: Mistral, OpenRouter, vLLM; DeepSeek; Zhipu; vLLM and SGLang.
_FAILURES = frozenset((
    "error", "failed", "insufficient_system_resource", "network_error", "abort", "aborted", "cancelled", "canceled",
))  # fmt: skip


class CompletionState:
    """The state of one answer. The decoder writes it; others only read it.

    Attributes and not properties where they are read for each token.
    """

    def __init__(self) -> None:
        """Begin an answer of which nothing has come."""
        #: Whether the latest bytes brought text or reasoning. Pings and comments do not count.
        self.has_progressed = False
        #: Whether nothing more is to be read.
        self.has_ended = False
        #: Whether only usage can be expected: a finish reason came in a chunk of its own, after text. A finish
        #: reason beside text may be one of those that some servers put into every chunk.
        self.is_ending = False
        self.finish_reason: str | None = None
        #: Why the answer failed, once it has.
        self.failure: UpstreamError | None = None
        #: Whether text or reasoning has come, and whether text has.
        self.has_deltas = self.has_text = False
        self._reason_contradicted = False
        self._has_logged = False

    @property
    def is_whole(self) -> bool:
        """Whether the answer is whole, even if its connection breaks now: what is still to come is not text.

        Not where text came after a finish reason: some servers put one into every chunk, and then it means nothing.
        Nor with `stop` before the first text, as some put it into their first chunk.
        """
        reason = self.finish_reason
        return reason is not None and not self._reason_contradicted and (self.has_deltas or reason.lower() != "stop")

    def end(self, failure: UpstreamError | None = None) -> None:
        """End the answer; with a failure, unless it is whole."""
        self.failure = None if self.is_whole else failure
        self.has_ended = True

    def note_reason(self, reason: str | None, *, with_text: bool) -> None:
        """Take note of a chunk's finish reason, or of text that came after one.

        Args:
            reason: The chunk's finish reason; `None` for none.
            with_text: Whether the chunk has text or reasoning.

        Raises:
            UpstreamError: The finish reason is a failure.
        """
        if with_text and self.finish_reason is not None:
            self._reason_contradicted = True
            self.is_ending = False
        reason = finish_reason_of(reason)
        if reason is None:
            return
        if reason.lower() in _FAILURES:
            self.fail(UpstreamUnavailable(f"the provider ended the answer with the finish reason {reason!r}"))
            return
        self.finish_reason = reason
        self.is_ending = self.is_whole and not with_text

    def fail(self, failure: UpstreamError | None) -> None:
        """Raise a failure, unless there is none or the answer is whole: then it is logged, once for each answer."""
        if failure is None:
            return
        if not self.is_whole:
            raise failure
        if not self._has_logged:
            self._has_logged = True
            logger.info("ignored a failure after the end of a whole answer: %s", failure.detail)
