"""`flask sluice doctor` against real deployments: each mistake is seen, and no other one is named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from sluice.web.cli.commands import sluice_commands
from sluice.web.doctor import stream_checks
from sluice.web.doctor.deployment import Deployment, Unreachable
from sluice.web.doctor.examination import examine
from sluice.web.doctor.findings import Finding, Verdict
from tests.deploy.nginx_server import NginxServer
from tools.common.gunicorn_server import REPOSITORY, GunicornServer

BEHIND_A_PROXY = {"SLUICE_TRUSTED_PROXIES": 1, "SLUICE_HEARTBEAT_INTERVAL": 1.0}
CHAT = "location ~ ^/(?:api/chat|api/ai-sdk|v1/chat/completions)$ {\n            proxy_pass http://sluice;"
HOST_APPLICATION = """
from flask import Flask, abort, request
from sluice import Sluice

app = Flask(__name__)
app.secret_key = "of the tests"
sluice = Sluice(app)

@app.get("/ready")
def ready():
    return "ready"

@sluice.authorize
def who():
    if request.cookies.get("user") == "guest":
        abort(403)
    return request.cookies.get("user")
"""


def findings(url: str, **headers: str) -> dict[str, Finding]:
    """Return the findings by their subjects."""
    return {found.subject: found for found in examine(Deployment(url, headers), lambda _: None)}


def to_change(found: dict[str, Finding]) -> set[str]:
    return {subject for subject, finding in found.items() if finding.verdict is Verdict.CHANGE}


@pytest.fixture(scope="module")
def server() -> Iterator[GunicornServer]:
    """Sluice with a short heartbeat, for all fronts."""
    with GunicornServer(BEHIND_A_PROXY) as running:
        yield running


def test_the_shipped_deployment_needs_no_change_and_the_exit_code_is_0(server: GunicornServer) -> None:
    with NginxServer(server.port) as front:
        done = CliRunner().invoke(sluice_commands, ["doctor", front.url])
    assert done.exit_code == 0, done.output
    assert "CHANGE" not in done.stdout
    assert "OK      streaming: 10 events came one by one" in done.stdout
    assert "OK      disconnect: noticed after 0." in done.stdout
    assert "reading 10 events" in done.stderr


@pytest.mark.parametrize(
    ("edit", "subjects", "advice"),
    [
        (
            # With HTTP/1.1, nginx passes on each of the chunks that it has read.
            "proxy_ignore_headers X-Accel-Buffering; proxy_http_version 1.0;",
            {"streaming", "HTTP version"},
            "proxy_ignore_headers",
        ),
        (
            "gzip on; gzip_types text/event-stream; gzip_min_length 0; gzip_proxied any;",
            {"compression"},
            "gzip_types",
        ),
        ("proxy_ignore_client_abort on;", {"disconnect"}, "proxy_ignore_client_abort off"),
    ],
    ids=["buffering", "compression", "ignored disconnects"],
)
def test_a_mistake_in_nginx_is_seen_and_named(
    server: GunicornServer, edit: str, subjects: set[str], advice: str
) -> None:
    edits = {CHAT: f"{CHAT}\n{edit}"}
    if "abort" in edit:
        edits = {"proxy_ignore_client_abort off;": edit}
    with NginxServer(server.port, edits=edits) as front:
        found = findings(front.url)
    assert to_change(found) == subjects, "\n".join(map(str, found.values()))
    assert any(advice in found[subject].advice for subject in subjects)


def test_a_read_timeout_below_the_heartbeat_is_seen_and_named(server: GunicornServer) -> None:
    edits = {"proxy_read_timeout 630s;": "proxy_read_timeout 800ms;"}
    with NginxServer(server.port, edits=edits, expected_log="upstream timed out") as front:
        found = findings(front.url)
    assert to_change(found) == {"silence"}, "\n".join(map(str, found.values()))
    assert "proxy_read_timeout" in found["silence"].advice


def test_a_proxy_that_asks_with_http_1_0_is_named(server: GunicornServer) -> None:
    with NginxServer(server.port, edits={"proxy_http_version 1.1;": "proxy_http_version 1.0;"}) as front:
        found = findings(front.url)
    assert to_change(found) == {"HTTP version"}, "\n".join(map(str, found.values()))


def test_too_few_threads_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_checks, "CROWD_TIMEOUT", 1.0)
    arguments = ("--worker-class", "gthread", "--threads", "4")
    with GunicornServer(BEHIND_A_PROXY, args=arguments) as server:
        found = findings(server.url)
    assert to_change(found) == {"threads", "streams at once"}, "\n".join(map(str, found.values()))
    assert "only 4 of 6" in found["streams at once"].seen
    assert "4 threads for 128 streams" in found["threads"].seen
    assert found["disconnect"].verdict is Verdict.OK


def test_waitress_has_too_few_threads_by_default_and_notices_a_disconnect_by_heartbeats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_checks, "CROWD_TIMEOUT", 1.0)
    environment = {"PYTHONPATH": REPOSITORY, "SLUICE_HEARTBEAT_INTERVAL": 0.4}
    command = ("waitress-serve", "--listen=127.0.0.1:{port}", "--call", "sluice:create_app")
    with GunicornServer(environment, command=command) as server:
        found = findings(server.url)
    assert to_change(found) == {"streams at once"}, "\n".join(map(str, found.values()))
    assert "only 4 of 6" in found["streams at once"].seen
    assert "heartbeat" in found["disconnect"].seen


def test_flasks_own_server_is_for_development_and_notices_a_disconnect() -> None:
    environment = {"PYTHONPATH": REPOSITORY, **BEHIND_A_PROXY}
    command = ("flask", "--app", "sluice:create_app", "run", "--port", "{port}")
    with GunicornServer(environment, command=command) as server:
        found = findings(server.url)
    assert to_change(found) == {"server"}, "\n".join(map(str, found.values()))
    assert found["disconnect"].seen.startswith("noticed after ")


def test_only_signed_in_users_check_an_application_with_users(tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(HOST_APPLICATION)
    environment = {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}", "SLUICE_HEARTBEAT_INTERVAL": 0.3}
    with GunicornServer(environment, app="application:app", ready_path="/ready") as server:
        url = f"{server.url}/assistant"
        with pytest.raises(Unreachable, match=r"only signed-in users may check it.*--header 'Cookie"):
            findings(url)
        with pytest.raises(Unreachable, match=r"answers 403: .*another user"):
            findings(url, Cookie="user=guest")
        assert to_change(findings(url, Cookie="user=ada")) == set()


def test_what_is_no_deployment_gets_a_sentence(server: GunicornServer) -> None:
    for url, sentence in (
        ("http://127.0.0.1:9", "cannot be reached"),
        (f"{server.url}/nothing", "should be that of the page"),
        ("ftp://127.0.0.1/", "should be the address of the page"),
    ):
        with pytest.raises(Unreachable, match=sentence):
            findings(url)


def test_without_a_url_the_application_itself_is_served_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_HEARTBEAT_INTERVAL", "0.3")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    done = CliRunner().invoke(sluice_commands, ["doctor"])
    assert done.exit_code == 0, done.output
    assert "with Sluice's worker" in done.stdout


def test_without_gunicorn_flasks_own_server_serves_the_application_for_the_check(tmp_path: Path) -> None:
    # As if gunicorn were not installed; in a process of its own, because the application makes a loop in it.
    script = "import sys; sys.modules['gunicorn'] = None; from sluice.web.cli.commands import main; main()"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "SLUICE_HEARTBEAT_INTERVAL": "0.3"}
    done = subprocess.run(
        [sys.executable, "-c", script, "doctor"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "it is for development" in done.stdout
    assert done.stdout.count("CHANGE") == 1, done.stdout
