"""What `doctor` says where the application refuses its requests."""

from __future__ import annotations

import io
from email.message import Message
from typing import Any, cast

import pytest

from sluice.web.doctor.deployment import Deployment, Reply, Unreachable
from sluice.web.doctor.server_facts import read_facts
from sluice.web.doctor.stream_checks import check_stream


class _Refusal(Reply):
    """A reply without a connection."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers = cast(Any, Message())
        self._body = io.BytesIO(body)

    def read(self) -> bytes:
        return self._body.read()

    def close(self) -> None:
        self._body.close()


class _RefusingDeployment(Deployment):
    """A deployment that answers every request alike."""

    def __init__(self, status: int, body: bytes = b"{}") -> None:
        super().__init__("http://127.0.0.1/assistant", {})
        self._status, self._body = status, body

    def get_json(self, *_: Any, **__: Any) -> tuple[int, Any]:
        return self._status, {}

    def stream(self, *_: Any, **__: Any) -> Reply:
        return _Refusal(self._status, self._body)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "answers 401: only signed-in users may check it. Copy the cookie"),
        (403, "answers 403: the user of this cookie may not chat"),
    ],
)
def test_a_visitor_is_told_to_sign_in_and_a_forbidden_user_to_be_another_one(status: int, sentence: str) -> None:
    with pytest.raises(Unreachable, match=sentence):
        read_facts(_RefusingDeployment(status))


@pytest.mark.parametrize("body", [b'{"code": "csrf_refused"}', b"<p>The CSRF token is missing.</p>"])
def test_a_refused_csrf_token_is_no_fault_of_the_deployment_and_both_headers_are_named(body: bytes) -> None:
    with pytest.raises(Unreachable, match=r"Cookie: session=.*X-CSRFToken: .*<meta name=\"csrf-token\""):
        list(check_stream(_RefusingDeployment(400, body)))
