"""The limits of one worker: times in seconds, numbers and sizes."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from ..fields import setting
from ..parsers import count, seconds

# Seconds between the end of a drain and gunicorn's `graceful_timeout`, for terminal events and for closing. Closing
# takes no longer (`CLOSE_TIMEOUT` in `service.py`).
CLOSING_TIME = 5.0


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How long everything may take, and how many or how large it may be."""

    connect_timeout: float = setting(
        "SLUICE_CONNECT_TIMEOUT", seconds(0.05, 300), 5.0, "Seconds to reach the model's server."
    )
    first_token_timeout: float = setting(
        "SLUICE_FIRST_TOKEN_TIMEOUT",
        seconds(0.05, 3600),
        60.0,
        "Seconds until the first token, retries included.",
    )
    next_token_timeout: float = setting(
        "SLUICE_NEXT_TOKEN_TIMEOUT", seconds(0.05, 3600), 30.0, "Seconds between two tokens."
    )
    total_timeout: float = setting(
        "SLUICE_TOTAL_TIMEOUT", seconds(0.05, 86400), 600.0, "Seconds for one whole answer."
    )
    heartbeat_interval: float = setting(
        "SLUICE_HEARTBEAT_INTERVAL",
        seconds(0.05, 3600),
        15.0,
        "Seconds of silence after which a comment is sent.",
    )
    write_timeout: float = setting(
        "SLUICE_WRITE_TIMEOUT",
        seconds(0.05, 3600),
        30.0,
        "Seconds that a client may take to accept a write.",
    )
    head_timeout: float = setting(
        "SLUICE_HEAD_TIMEOUT",
        seconds(0.05, 3600),
        10.0,
        "Seconds that a client may take to send the whole head of a request.",
    )
    body_timeout: float = setting(
        "SLUICE_BODY_TIMEOUT",
        seconds(0.05, 3600),
        20.0,
        "Seconds that a client may take to send the whole body of a request; one more for each 4 KiB that has come.",
    )
    drain_timeout: float = setting(
        "SLUICE_DRAIN_TIMEOUT", seconds(0, 3600), 25.0, "Seconds that open answers get to end after SIGTERM."
    )
    max_streams: int = setting(
        "SLUICE_MAX_STREAMS", count(1, 10_000, "streams"), 1_000, "Answers that one worker streams at once."
    )
    max_streams_per_client: int = setting(
        "SLUICE_MAX_STREAMS_PER_CLIENT",
        count(0, 10_000, "streams"),
        0,
        "How many of them one user may hold, or one client's address without users; 0 sets no limit.",
    )
    max_held_threads: int = setting(
        "SLUICE_MAX_HELD_THREADS",
        count(1, 10_000, "threads"),
        128,
        "Answers of one worker that may hold a thread each: in block mode, with TLS in gunicorn, below a middleware "
        "that Sluice does not know, and with another worker class. Also chats whose provider has not answered yet.",
    )
    reserve_threads: int = setting(
        "SLUICE_RESERVE_THREADS",
        count(1, 1_000, "threads"),
        32,
        "Threads of a worker for everything else: the page, health checks, refusals, the beginning and the end of "
        "each stream.",
    )
    max_body_bytes: int = setting(
        "SLUICE_MAX_BODY_BYTES", count(1_000, 2**30, "bytes"), 2**20, "The largest request body, in bytes."
    )
    max_image_body_bytes: int = setting(
        "SLUICE_MAX_IMAGE_BODY_BYTES",
        count(1_000, 2**30, "bytes"),
        2**23,
        "The largest body of a chat request where `SLUICE_ALLOW_IMAGES=on`, in bytes. A proxy in front has a limit "
        "of its own, such as nginx's `client_max_body_size`.",
    )
    max_message_chars: int = setting(
        "SLUICE_MAX_MESSAGE_CHARS",
        count(1, 2**30, "characters"),
        100_000,
        "The longest message, in characters.",
    )
    max_history: int = setting(
        "SLUICE_MAX_HISTORY",
        count(0, 100_000, "messages"),
        200,
        "The most messages in `conversation_history`.",
    )
    max_event_bytes: int = setting(
        "SLUICE_MAX_EVENT_BYTES",
        count(1_000, 2**30, "bytes"),
        2**20,
        "The largest single event accepted from a model, in bytes.",
    )
    # A million tokens, about: the longest answers that models give have 128,000, reasoning included.
    max_answer_chars: int = setting(
        "SLUICE_MAX_ANSWER_CHARS",
        count(1, 2**30, "characters"),
        4_000_000,
        "The longest answer accepted from a model, its reasoning included, in characters.",
    )

    @property
    def threads(self) -> int:
        """The most threads of one worker: those that may be held, and the reserve for all other requests."""
        return min(self.max_streams, self.max_held_threads) + self.reserve_threads

    @property
    def descriptors(self) -> int:
        """Open files that one worker needs, about.

        A stream holds two (client and model). The reserve is for other connections; 64 cover the loop, logs,
        listeners and metrics.
        """
        return 2 * self.max_streams + self.reserve_threads + 64

    @property
    def graceful_timeout(self) -> int:
        """Seconds after which gunicorn kills a worker: the drain, and `CLOSING_TIME`."""
        return int(self.drain_timeout + CLOSING_TIME)

    def contradictions(self) -> list[str]:
        """Return one sentence for each value that does not go with another one, or with the system's limits."""
        found = []
        if self.first_token_timeout > self.total_timeout:
            found.append(
                f"SLUICE_FIRST_TOKEN_TIMEOUT ({self.first_token_timeout:g} s) is longer than SLUICE_TOTAL_TIMEOUT "
                f"({self.total_timeout:g} s), which therefore ends the wait for the first token."
            )
        if self.connect_timeout > self.first_token_timeout:
            found.append(
                f"SLUICE_CONNECT_TIMEOUT ({self.connect_timeout:g} s) is longer than SLUICE_FIRST_TOKEN_TIMEOUT "
                f"({self.first_token_timeout:g} s), which therefore ends the attempt to connect."
            )
        if self.max_body_bytes > self.max_image_body_bytes:
            found.append(
                f"SLUICE_MAX_BODY_BYTES ({self.max_body_bytes}) is larger than SLUICE_MAX_IMAGE_BODY_BYTES "
                f"({self.max_image_body_bytes}), which is for larger bodies."
            )
        if self.max_message_chars > self.max_body_bytes:
            found.append(
                f"SLUICE_MAX_MESSAGE_CHARS ({self.max_message_chars}) can never be reached: a body may have "
                f"SLUICE_MAX_BODY_BYTES ({self.max_body_bytes}) bytes."
            )
        needed = self.descriptors
        # The server raises its own limit up to this one.
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if limit != resource.RLIM_INFINITY and needed > limit:
            found.append(
                f"SLUICE_MAX_STREAMS ({self.max_streams}) needs about {needed} open files in each worker, and "
                f"this process may open {limit}: raise `ulimit -n`."
            )
        return found
