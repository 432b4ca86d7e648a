"""Choose the decoder of a body by its first bytes.

Content types are not used: event streams come as `application/json`, and JSON comes as `text/event-stream`.
"""

from __future__ import annotations

import re

from ..errors import UpstreamInvalid
from .json_body import JsonBodyDecoder
from .sse_decoder import EventStreamDecoder

BodyDecoder = EventStreamDecoder | JsonBodyDecoder

_BOM = b"\xef\xbb\xbf"
# Of a body that is not an answer, for the log.
_EXCERPT_BYTES = 512


class BodyFormat:
    """What is known of one body's format. One for each body."""

    def __init__(self, max_event_bytes: int, content_type: str) -> None:
        """Begin a body.

        Args:
            max_event_bytes: The limit that the decoder gets.
            content_type: The body's content type, for the log.
        """
        self._max_event_bytes = max_event_bytes
        self.content_type = content_type
        self._opening = b""

    def detect(self, data: bytes) -> tuple[BodyDecoder | None, bytes]:
        """Choose the decoder.

        Args:
            data: The next bytes, not empty.

        Returns:
            The decoder, and the bytes to give it; `None` and nothing as long as only white space or a part of a byte
            order mark came.

        Raises:
            UpstreamInvalid: The body is HTML or XML.
        """
        opening = self._opening + data
        if opening != _BOM and _BOM.startswith(opening):
            self._opening = opening
            return None, b""
        opening = opening.removeprefix(_BOM).lstrip(b" \t\r\n")
        self._opening = opening[:_EXCERPT_BYTES]
        if opening.startswith(b"<"):
            raise UpstreamInvalid(
                f"the provider answered 200 with {self.content_type} instead of an event stream: {self.excerpt}"
            )
        if opening.startswith((b"{", b"[")):
            return JsonBodyDecoder(self._max_event_bytes), opening
        return EventStreamDecoder(self._max_event_bytes) if opening else None, opening

    @property
    def excerpt(self) -> str:
        """The beginning of the body, for the log. It is not cut inside a key, which could not be redacted then."""
        excerpt = self._opening
        if len(excerpt) >= _EXCERPT_BYTES:
            excerpt = re.sub(rb"[^\s\"',:{}\[\]]*\Z", b"", excerpt)
        return excerpt.decode(errors="replace")
