"""The smallest example, as a real server."""

from __future__ import annotations

import json

from tests.support.running_server import PLANTED_KEY
from tools.common.gunicorn_server import REPOSITORY, GunicornServer
from tools.common.model_scripts import reply
from tools.common.raw_client import fetch
from tools.common.scripted_model import MODEL_NAME, ScriptedModel

APPLICATION = REPOSITORY / "examples" / "smallest" / "app.py"


def test_twelve_lines_are_an_application_with_the_chat(model: ScriptedModel) -> None:
    assert len(APPLICATION.read_text().splitlines()) == 12
    env = {"OPENAI_API_KEY": PLANTED_KEY, "OPENAI_MODEL": MODEL_NAME, "OPENAI_BASE_URL": model.base_url}
    with GunicornServer(env, app="examples.smallest.app:app", ready_path="/") as server:
        assert "/assistant/" in fetch(server.url, "/").text
        assert fetch(server.url, "/assistant/").status == 200
        for mode in ("block", "stream"):
            model.enqueue(reply("Hello"))
            body = json.dumps({"message": "Hi", "interaction_mode": mode}).encode()
            headers = {"Content-Type": "application/json"}
            answer = fetch(server.url, "/assistant/api/chat", method="POST", headers=headers, body=body)
            assert answer.status == 200
            assert '"Hello"' in answer.text
            assert ('"done": true' in answer.text) == (mode == "stream")
