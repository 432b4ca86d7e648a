"""Who owns a run, and the cookie that says so: where it is sent, and when it is replaced."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, Response, g, request

from sluice.web.security.run_owner import COOKIE, RunOwner

VALUE = "0123456789abcdef" * 2


def own(
    path: str = "/api/chat", *, cookie: str | None = None, user: str = "", secret: str = "secret", **environ: Any
) -> tuple[str, str]:
    """Return the owner's digest, and the `Set-Cookie` of the reply; empty where there is none."""
    headers = {} if cookie is None else {"Cookie": f"{COOKIE}={cookie}"}
    host = Flask("host")
    host.secret_key = secret
    with host.test_request_context(path, headers=headers, **environ):
        if user:
            g.sluice_user = user
        response, owner = Response(), RunOwner(request)
        owner.mark(response)
        return owner.digest, response.headers.get("Set-Cookie", "")


@pytest.mark.parametrize(
    ("path", "root", "sent_to"),
    [
        ("/api/chat", "", "/"),
        ("/api/runs/x/events", "", "/"),
        ("/assistant/api/chat", "", "/assistant/"),
        ("/api/config", "/mounted", "/mounted/"),
        ("/assistant/api/config", "/mounted/twice", "/mounted/twice/assistant/"),
    ],
)
def test_the_cookie_is_sent_to_the_page_below_its_prefix_and_mount_alone(path: str, root: str, sent_to: str) -> None:
    _, cookie = own(path, environ_overrides={"SCRIPT_NAME": root})
    assert f"; Path={sent_to}; " in cookie


def test_behind_tls_the_cookie_is_sent_over_tls_alone() -> None:
    assert "; Secure;" in own(base_url="https://example.com/")[1]
    assert "; Secure;" not in own(base_url="http://example.com/")[1]


def test_no_script_reads_the_cookie_and_no_other_site_sends_it() -> None:
    _, cookie = own()
    assert "; HttpOnly;" in cookie
    assert cookie.endswith("; SameSite=Lax")


@pytest.mark.parametrize("bad", ["", "x", VALUE[:-1], VALUE + "0", VALUE.upper(), VALUE[:-1] + "g", "../" + VALUE])
def test_a_bad_cookie_is_replaced_by_one_that_nobody_can_guess(bad: str) -> None:
    (first, cookie), (second, other) = own(cookie=bad), own(cookie=bad)
    value = cookie.partition(";")[0].removeprefix(f"{COOKIE}=")
    assert len(value) == 32
    assert first != second
    assert cookie != other
    # The browser that sends it back owns what it has begun.
    assert own(cookie=value) == (first, "")


def test_a_good_cookie_is_kept_and_the_store_gets_a_digest_of_it() -> None:
    digest, cookie = own(cookie=VALUE)
    assert cookie == ""
    assert VALUE not in digest
    assert own(cookie=VALUE)[0] == digest


def test_the_applications_user_owns_its_runs_from_every_browser_and_needs_no_cookie() -> None:
    assert own(user="ada") == own(user="ada", cookie=VALUE)
    assert own(user="ada")[1] == ""
    assert own(user="eve")[0] != own(user="ada")[0]
    # A user whose key looks like a cookie is not that browser.
    assert own(user=VALUE)[0] != own(cookie=VALUE)[0]


def test_users_of_the_same_key_own_nothing_of_each_other_in_applications_with_other_secret_keys() -> None:
    assert own(user="1", secret="one")[0] != own(user="1", secret="another")[0]
