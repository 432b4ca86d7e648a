"""What `doctor` says of events that come late now and then, and of those that always do."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from typing import Any, cast

import pytest

from sluice.web.doctor.deployment import Arrival, Deployment, Reply
from sluice.web.doctor.findings import Finding, Verdict
from sluice.web.doctor.stream_checks import PAUSE, TICKS, check_stream
from sluice.web.doctor.waiting_checks import check_disconnect


class _Recording(Reply):
    """A reply without a connection: events that came so far apart."""

    def __init__(self, pause: float) -> None:
        self.status, self.version = 200, 11
        headers = Message()
        headers["Content-Type"] = "text/event-stream"
        self.headers = cast(Any, headers)
        self._pause = pause

    def arrivals(self, seconds: float) -> Iterator[Arrival]:
        yield Arrival({"stream": "one", "protocol": "HTTP/1.1"}, 0.0)
        for number in range(TICKS):
            yield Arrival({"tick": number}, number * self._pause)

    def close(self) -> None:
        """Nothing is open."""


class _Deployment(Deployment):
    """A deployment whose streams have these pauses, and which notices disconnects so late."""

    def __init__(self, pauses: list[float], delays: list[float] | None = None) -> None:
        super().__init__("http://127.0.0.1/assistant", {})
        self._pauses, self._delays = pauses, delays or []

    def stream(self, **_: Any) -> Reply:
        return _Recording(self._pauses.pop(0))

    def get_json(self, path: str) -> tuple[int, Any]:
        return 200, {"open": False, "noticed_seconds_ago": -self._delays.pop(0)}


def streaming(pauses: list[float]) -> Finding:
    return next(found for found in check_stream(_Deployment(pauses)) if found.subject == "streaming")


def test_events_that_a_busy_machine_brought_together_once_are_read_again() -> None:
    assert streaming([0.0, PAUSE]).verdict is Verdict.OK


def test_events_that_come_together_each_time_are_buffered() -> None:
    found = streaming([0.0, 0.0, 0.0])
    assert found.verdict is Verdict.CHANGE
    assert found.seen == "10 events came in 1 part: buffered"


@pytest.mark.parametrize(("delays", "verdict"), [([2.0, 0.1], Verdict.OK), ([2.0, 2.0, 2.0], Verdict.CHANGE)])
def test_a_disconnect_that_was_noticed_late_is_tried_again(delays: list[float], verdict: Verdict) -> None:
    deployment = _Deployment([0.0] * len(delays), delays)
    assert check_disconnect(deployment, 15.0, has_client_socket=True).verdict is verdict
