"""An OpenAI-compatible server of another make: aimock, a Node package that replays fixtures."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Serve
from tools.common.gunicorn_server import REPOSITORY
from tools.common.raw_client import fetch, post_chat, stream_chat

ANSWER = "你好 from another make, 混合 text, in many small pieces. 🙂"


@pytest.fixture
def aimock(tmp_path: Path) -> Iterator[str]:
    """The base URL of a running aimock."""
    fixtures = tmp_path / "fixtures.json"
    fixture = {"match": {"userMessage": "hello"}, "response": {"content": ANSWER}}
    fixtures.write_text(json.dumps({"fixtures": [fixture]}))
    script = REPOSITORY / "node_modules/@copilotkit/aimock/dist/cli.js"
    node = shutil.which("node") or str(REPOSITORY / ".venv/bin/node")
    arguments = [node, str(script), "-p", "0", "-f", str(fixtures), "-c", "3", "-l", "5"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if "listening on" in line:
                    yield line.split("listening on ")[1].strip() + "/v1"
                    break
            else:
                pytest.fail("aimock did not start")
        finally:
            process.terminate()


def test_another_model_server_works_in_both_modes(serve: Serve, aimock: str) -> None:
    server = serve(OPENAI_BASE_URL=aimock, OPENAI_API_KEY=None, OPENAI_MODEL="any-model")
    with stream_chat(server.url, message="hello") as client:
        text, terminal = client.read_stream()
    assert (text, terminal.is_done) == (ANSWER, True)
    assert terminal.payload["usage"]["completion_tokens"] > 0
    block = post_chat(server.url, message="hello", interaction_mode="block").json()
    assert block["message"] == ANSWER
    assert fetch(server.url, "/api/config").json()["demo"] is False
