"""The search for a provider's key in every byte that clients receive and every line that servers log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.support.running_server import PLANTED_KEY
from tools.common import raw_client
from tools.common.gunicorn_server import GunicornServer
from tools.common.raw_client import RawClient

# A key that only models know of, in what they send: it is recognised by its look alone.
PROVIDER_KEY = "sk-of-a-stranger"


@dataclass
class KeyDetector:
    """Searches what it reads for keys."""

    keys: tuple[str, ...]
    bytes_read: int = 0
    log_lines: int = 0
    seen_in: list[str] = field(default_factory=list)
    _tails: dict[int, bytes] = field(default_factory=dict)

    def read(self, reader: object, data: bytes) -> None:
        """Search bytes of a reply, and the seam to what the same reader had before."""
        block = self._tails.get(id(reader), b"") + data
        self.bytes_read += len(data)
        if any(key.encode() in block for key in self.keys):
            self.seen_in.append(f"a reply: {block[:2000]!r}")
        self._tails[id(reader)] = block[-max(map(len, self.keys)) :]

    def read_log(self, server: GunicornServer) -> None:
        """Search the whole log of a server that has ended."""
        log = server.log
        self.log_lines += log.count("\n")
        self.seen_in.extend(f"a log: {line}" for line in log.splitlines() if any(key in line for key in self.keys))


@contextmanager
def detect_keys(*keys: str) -> Iterator[KeyDetector]:
    """Search everything that the tests' clients receive and the tests' servers log during the block.

    Args:
        keys: What to search for. Default: the keys that tests plant.
    """
    detector = KeyDetector(keys or (PLANTED_KEY, PROVIDER_KEY))
    feed, wait_closed, stop = raw_client.ResponseReader.feed, RawClient.wait_closed, GunicornServer.stop

    def feed_and_search(self: raw_client.ResponseReader, data: bytes) -> bytes:
        detector.read(self, data)
        return feed(self, data)

    def wait_closed_and_search(self: RawClient, timeout: float | None = None) -> bytes:
        data = wait_closed(self, timeout)
        detector.read(self, data)
        return data

    def stop_and_search(self: GunicornServer) -> None:
        try:
            stop(self)
        finally:
            detector.read_log(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_client.ResponseReader, "feed", feed_and_search)
        patch.setattr(RawClient, "wait_closed", wait_closed_and_search)
        patch.setattr(GunicornServer, "stop", stop_and_search)
        yield detector
