"""Sluice below a path of another site's, whether or not nginx takes that path away."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest

from tests.deploy.below_a_path import PREFIX, nginx_below_a_path
from tools.common.gunicorn_server import GunicornServer
from tools.common.raw_client import fetch
from tools.common.scripted_model import MODEL_NAME, ScriptedModel, reply

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("takes_away", [True, False], ids=["taken away", "kept"])
def test_the_page_its_files_and_its_api_work_below_a_path(model: ScriptedModel, takes_away: bool) -> None:
    mount = "" if takes_away else PREFIX
    env = {"OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": MODEL_NAME, "SLUICE_TRUSTED_PROXIES": 1}
    with (
        GunicornServer({**env, "SCRIPT_NAME": mount}, ready_path=f"{mount}/readyz") as server,
        nginx_below_a_path(server.port, takes_away=takes_away, expected_log="access forbidden by rule") as front,
    ):
        there = fetch(front.url, PREFIX)
        assert (there.status, urljoin(f"{front.url}{PREFIX}", there.headers["location"])) == (
            301,
            f"{front.url}{PREFIX}/",
        )
        page = fetch(front.url, f"{PREFIX}/")
        addresses = set(re.findall(r'(?:href|src)="(?!data:)([^"#]+)"', page.text))
        assert len(addresses) >= 7  # the configuration, a style sheet, a library and the modules of the first view
        assert {fetch(front.url, urljoin(f"{PREFIX}/", address)).status for address in addresses} == {200}
        # A file of another version leads to this one's, without leaving the path.
        old = f"{PREFIX}/static/0123456789abcdef/js/main.js"
        assert fetch(front.url, urljoin(old, fetch(front.url, old).headers["location"])).status == 200
        model.enqueue(reply("Hello"), reply("Hello"))
        for mode in ("stream", "block"):
            body = f'{{"message": "Hi", "interaction_mode": "{mode}"}}'.encode()
            answer = fetch(front.url, f"{PREFIX}/api/chat", method="POST", headers=JSON, body=body)
            assert (answer.status, "Hello" in answer.text) == (200, True)
        for path in (f"{PREFIX}/metrics", f"{PREFIX}//metrics", f"{PREFIX}/%6detrics", f"{PREFIX}/static/../metrics"):
            assert b"sluice_" not in fetch(front.url, path).body
        assert fetch(front.url, "/api/config").status == 404
        if mount:
            for path in ("/api/config", "/metrics", f"{PREFIX}metrics", "/"):
                assert (path, fetch(server.url, path).status) == (path, 404)
