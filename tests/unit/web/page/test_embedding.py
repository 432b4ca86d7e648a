"""The page's parts in templates of an application: addresses, caching, policies and the key of the user."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, g, redirect, render_template_string, request
from werkzeug.middleware.proxy_fix import ProxyFix

from sluice import Sluice
from sluice.service.settings.settings import SettingsError
from sluice.web import create_app
from sluice.web.extension_state import ExtensionState

PAGE = '{% extends "layout.html" %}{% block main %}{{ sluice_chat(name="Helper") }}{% endblock %}'
LAYOUT = "<title>Host</title>{% block main %}{% endblock %}"


def make_app(templates: Path | None = None, **config: Any) -> tuple[Flask, Sluice]:
    app = Flask("host", template_folder=templates)
    app.config.update(SECRET_KEY="secret", **config)
    app.add_url_rule("/part", "part", lambda: render_template_string("{{ sluice_head() }}<p>{{ sluice_chat() }}"))
    app.add_url_rule(
        "/bye",
        "bye",
        lambda: render_template_string("{{ sluice_forget(7) }}{{ sluice_forget() }}{{ sluice_signed_out() }}"),
    )
    return app, Sluice(app)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """The templates of an application that extends its layout with the page."""
    (tmp_path / "sluice").mkdir()
    (tmp_path / "sluice" / "page.html").write_text(PAGE)
    (tmp_path / "layout.html").write_text(LAYOUT)
    return tmp_path


def addresses(html: str) -> set[str]:
    """Return where the files and the API of a page are said to be, without versions and names."""
    found = re.findall(r'(?:src|href|data-base)="(?!data:)([^"#]*)"', html)
    return {re.sub(r"static/.*|api/config", "", address) for address in found}


@pytest.mark.parametrize(
    ("path", "environ", "expected"),
    [
        ("/assistant/", {}, ""),
        ("/assistant/", {"SCRIPT_NAME": "/front"}, ""),
        ("/part", {}, "/assistant/"),
        ("/part", {"SCRIPT_NAME": "/front"}, "/front/assistant/"),
        ("/part", {"HTTP_X_FORWARDED_PREFIX": "/front"}, "/front/assistant/"),
    ],
)
def test_the_pages_own_addresses_are_relative_and_those_of_a_part_are_made_by_url_for(
    path: str, environ: dict[str, str], expected: str
) -> None:
    app, _ = make_app()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1)  # type: ignore[method-assign]
    html = app.test_client().get(path, environ_overrides=environ).text
    assert addresses(html) == {expected}
    assert html.count("bundle/main.js") == 2, "once as a preload, once as a script"


def test_the_page_alone_is_made_once_and_may_be_revalidated() -> None:
    client = make_app()[0].test_client()
    first = client.get("/assistant/")
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get("/assistant/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_page_with_something_of_its_request_is_kept_by_no_cache(layout: Path) -> None:
    in_layout, _ = make_app(layout)
    with_token, _ = make_app()
    with_token.jinja_env.globals["csrf_token"] = lambda: "a-token"
    with_user, sluice = make_app()
    sluice.authorize(lambda: 7)
    for app, expected in ((in_layout, "<title>Host"), (with_token, 'csrf-token="a-token"'), (with_user, 'user="')):
        page = app.test_client().get("/assistant/")
        assert page.headers["Cache-Control"] == "private, no-store"
        assert expected in page.text


def test_the_policy_is_ours_where_the_page_is_alone_and_the_hosts_in_its_layout(layout: Path) -> None:
    def policy(templates: Path | None = None, **config: Any) -> str | None:
        app, _ = make_app(templates, **config)
        page = app.test_client().get("/assistant/")
        assert page.headers.get("Referrer-Policy") == (None if templates else "same-origin")
        return page.headers.get("Content-Security-Policy")

    assert (policy() or "").endswith("; frame-ancestors 'none'")
    framed = policy(SLUICE_FRAME_ANCESTORS="'self' https://intranet.example")
    assert (framed or "").endswith("; frame-ancestors 'self' https://intranet.example")
    assert policy(SLUICE_CONTENT_SECURITY_POLICY="default-src 'self'") == "default-src 'self'; frame-ancestors 'none'"
    assert policy(SLUICE_CONTENT_SECURITY_POLICY="off") is None
    assert policy(layout) is None
    assert policy(layout, SLUICE_CONTENT_SECURITY_POLICY="frame-ancestors *") == "frame-ancestors *"


def test_the_applications_own_error_pages_keep_its_own_policies(layout: Path) -> None:
    def set_policies(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", "the host's own")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        return response

    def refuse() -> Any:
        abort(int(request.headers["X-Refuse"]))

    for config in ({}, {"SLUICE_CONTENT_SECURITY_POLICY": "default-src 'self'"}):
        for templates in (None, layout):
            app, sluice = make_app(templates, **config)
            app.after_request(set_policies)
            sluice.authorize(
                lambda: refuse() if "X-Refuse" in request.headers else None if "X-Visitor" in request.headers else 7
            )
            client = app.test_client()
            for headers, status in (
                ({"X-Visitor": "1"}, 401),
                ({"X-Refuse": "403"}, 403),
                ({"X-Refuse": "418"}, 418),
            ):
                page = client.get("/assistant/", headers=headers)
                assert page.status_code == status
                assert page.headers["Content-Security-Policy"] == "the host's own"
                assert page.headers["Referrer-Policy"] == "no-referrer"
            refused = client.get("/assistant/api/config", headers={"X-Refuse": "403"})
            assert "frame-ancestors 'none'" in refused.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"SLUICE_FRAME_ANCESTORS": "none self"}, "should be none, or sites"),
        ({"SLUICE_FRAME_ANCESTORS": "self; script-src *"}, "should be none, or sites"),
        ({"SLUICE_CONTENT_SECURITY_POLICY": "a\nb"}, "printable ASCII on one line"),
    ],
)
def test_a_bad_policy_is_named(config: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        make_app(**config)


def user_in(app: Flask, user: str) -> str:
    html = app.test_client().get("/part", headers={"X-User": user}).text
    found = re.search(r'data-user="(\w+)"', html)
    assert found is not None
    return found[1]


def test_each_user_has_an_opaque_key_that_depends_on_the_secret_key() -> None:
    app, sluice = make_app()
    sluice.authorize(lambda: request.headers.get("X-User"))
    other, sluice = make_app()
    other.secret_key = b"another"
    sluice.authorize(lambda: request.headers.get("X-User"))
    keys = [user_in(app, "7"), user_in(app, "8"), user_in(other, "7")]
    assert all(re.fullmatch("[0-9a-f]{20}", key) for key in keys)
    assert len(set(keys)) == 3
    assert user_in(app, "7") == keys[0]
    assert f'data-sluice-forget="{keys[0]}"' in app.test_client().get("/bye").text
    assert 'data-sluice-forget=""' in app.test_client().get("/bye").text
    assert 'data-sluice-signed-out data-path="/assistant/"' in app.test_client().get("/bye").text


def test_a_user_without_a_secret_key_is_an_error_with_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    app, sluice = make_app()
    app.secret_key = None
    sluice.authorize(lambda: 7)
    ExtensionState.of(app).log_warnings()
    assert "app.secret_key is not set; it should be" in caplog.text
    for path in ("/assistant/", "/assistant/api/config", "/assistant/api/chat"):
        caplog.clear()
        client = app.test_client()
        reply = client.post(path, json={"message": "Hi"}) if path.endswith("chat") else client.get(path)
        assert reply.status_code == 500
        assert "app.secret_key is not set; it should be" in caplog.text


def test_a_request_of_another_users_page_is_refused() -> None:
    app, sluice = make_app()
    sluice.authorize(lambda: request.headers.get("X-User"))
    ada = user_in(app, "ada")
    client = app.test_client()
    own = client.get("/assistant/api/config", headers={"X-User": "ada", "X-Sluice-User": ada})
    assert own.json is not None
    assert own.json["user"] == ada
    other = client.post(
        "/assistant/api/chat", json={"message": "Hi"}, headers={"X-User": "lin", "X-Sluice-User": ada}
    )
    assert (other.status_code, (other.json or {})["code"]) == (409, "user_changed")


@pytest.mark.parametrize("refusal", [lambda: None, lambda: redirect("/sign-in")])
def test_a_part_for_a_visitor_is_the_way_to_sign_in_without_scripts(refusal: Any) -> None:
    app, sluice = make_app()
    sluice.authorize(refusal)
    html = app.test_client().get("/part").text
    assert 'href="/assistant/"' in html
    assert "<script" not in html
    assert "登录" in app.test_client().get("/part", headers={"Accept-Language": "zh-CN,en;q=0.5"}).text


def test_scripts_and_style_sheets_have_the_applications_nonce() -> None:
    app, _ = make_app()
    app.jinja_env.globals["csp_nonce"] = lambda: g.setdefault("nonce", "n-1")
    html = app.test_client().get("/assistant/").text
    tags = re.findall(r"<(?:script|link rel=\"(?:stylesheet|modulepreload)\")[^>]*>", html)
    assert len(tags) > 7  # one style sheet, the modules of the first view as preloads, and two scripts
    assert [tag for tag in tags if 'nonce="n-1"' not in tag] == []


def test_the_application_of_its_own_has_the_page_as_before() -> None:
    app = create_app()
    html = app.test_client().get("/").text
    assert 'class="alone"' in html
    assert 'data-user=""' in html
    assert ExtensionState.of(app).close()
