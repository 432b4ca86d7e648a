"""A client of answers that outlive their connection: one browser, with its cookie."""

from __future__ import annotations

import json
from typing import Any

from tools.common.raw_client import RawClient, Reply, fetch

# An answer's text, the ids of its events, and its last payload.
Followed = tuple[str, list[int], dict[str, Any]]


class RunClient:
    """One browser's requests. It takes a cookie from `/api/config`, as the page does."""

    def __init__(self, url: str) -> None:
        """Take a server's address, and a cookie from it."""
        self.url = url
        head = fetch(url, "/api/config").headers["set-cookie"]
        self.cookie = head.partition(";")[0]

    def begin(self, *, url: str = "", key: str = "", **fields: Any) -> RawClient:
        """Ask for an answer that goes on without its client; return the connection with its head read."""
        body = {"message": "Hi", "interaction_mode": "stream", "on_disconnect": "continue", **fields}
        headers = {"Content-Type": "application/json", "Cookie": self.cookie, "Connection": "close"}
        if key:
            headers["Idempotency-Key"] = key
        return self._open("POST", "/api/chat", headers, json.dumps(body).encode(), url)

    def follow(self, run_id: str, after: int | None = None, *, url: str = "") -> RawClient:
        """Read a run's events behind a number; return the connection with its head read."""
        headers = {"Cookie": self.cookie, "Connection": "close"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        return self._open("GET", f"/api/runs/{run_id}/events", headers, None, url)

    def read(self, run_id: str, after: int | None = None, *, url: str = "", timeout: float = 20.0) -> Followed:
        """Read a run to its end."""
        with self.follow(run_id, after, url=url) as client:
            return read_all(client, timeout)

    def show(self, run_id: str, *, url: str = "") -> dict[str, Any]:
        """Return what the server says of a run."""
        reply = self.fetch("GET", f"/api/runs/{run_id}", url=url)
        assert reply.status == 200, reply
        shown: dict[str, Any] = reply.json()
        return shown

    def stop(self, run_id: str, *, url: str = "") -> Reply:
        """Stop a run."""
        return self.fetch("POST", f"/api/runs/{run_id}/stop", url=url)

    def fetch(self, method: str, path: str, *, url: str = "", **headers: str) -> Reply:
        """Make one request as this browser."""
        return fetch(url or self.url, path, method=method, headers={"Cookie": self.cookie, **headers})

    def _open(self, method: str, path: str, headers: dict[str, str], body: bytes | None, url: str) -> RawClient:
        client = RawClient(url or self.url)
        try:
            client.request(method, path, headers, body)
            client.read_head()
        except BaseException:
            client.close()
            raise
        return client


def run_id_of(client: RawClient) -> str:
    """Return the id of the run that a reply belongs to."""
    return client.headers["sluice-run"]


def read_all(client: RawClient, timeout: float = 20.0) -> Followed:
    """Read a stream to its terminal event."""
    text, ids = "", []
    while True:
        frame = client.next_event(timeout)
        assert frame.id is not None
        assert frame.payload is not None
        ids.append(frame.id)
        if frame.is_terminal:
            return text, ids, frame.payload
        text += frame.message
