"""The container `front`: nginx.conf as it is adapted for it, run by the real nginx before the real gunicorn."""

from __future__ import annotations

import json
import re

from tests.conftest import Serve
from tests.deploy.front_container import SCRIPT, FrontContainer, NameServer, adapted_config
from tests.deploy.nginx_server import CONFIG
from tests.support.polling import wait_until
from tools.common.raw_client import fetch, stream_chat
from tools.common.scripted_model import Headers, ScriptedModel, finished, said

CHAT = {"method": "POST", "headers": {"Content-Type": "application/json"}}


def test_every_line_of_the_script_still_finds_what_it_changes() -> None:
    shipped = CONFIG.read_text()
    searched = re.findall(r"^s\|(.+?)\||^/(.+?)/", SCRIPT.read_text(), re.MULTILINE)
    assert len(searched) >= 10
    assert [text for pair in searched for text in pair if text and not re.search(text, shipped, re.MULTILINE)] == []


def test_only_ports_paths_and_the_way_to_sluice_are_changed() -> None:
    shipped, adapted = (set(text.splitlines()) for text in (CONFIG.read_text(), adapted_config()))
    kept = shipped & adapted
    assert len(shipped - kept) < 25
    for line in ("proxy_buffering on;", "gzip off;", "proxy_request_buffering on;", "proxy_next_upstream off;"):
        assert any(line in each for each in kept)
    assert "/run/" not in adapted_config()
    assert "/var/log/" not in adapted_config()
    assert "127.0.0.1:8000" not in "\n".join(line for line in adapted if not line.strip().startswith("#"))


def test_nginx_starts_before_sluice_and_follows_it_to_a_new_address(serve: Serve, model: ScriptedModel) -> None:
    server = serve(SLUICE_TRUSTED_PROXIES=1)
    with (
        NameServer() as names,
        FrontContainer(server.port, names, expected_log="could not be resolved|Connection refused") as front,
    ):
        early = fetch(front.url, "/readyz")
        assert (early.status, early.json()["code"]) == (503, "shutting_down")
        names.address = "127.0.0.1"
        wait_until(lambda: fetch(front.url, "/readyz").status == 200, 5, "the front finds Sluice")
        gate = model.gate()
        model.enqueue((Headers(), *said("Hel"), gate, *said("lo"), *finished()))
        with stream_chat(front.url) as client:
            # The model sends the next token only when this one has been seen here.
            assert client.next_event(timeout=2).message == "Hel"
            gate.open()
            assert client.read_stream()[1].is_done
        address = re.search(r'src="([^"]+main\.js)"', fetch(front.url, "/").text)
        assert address
        assert fetch(front.url, f"/{address[1]}").status == 200
        assert json.loads(fetch(front.url, "/api/config").text)
        # The container is made again: nothing listens at the old address.
        names.address = "127.0.0.2"
        wait_until(lambda: fetch(front.url, "/readyz").status == 503, 5, "the front asks for the address again")
