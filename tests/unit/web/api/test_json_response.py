"""What a JSON reply looks like on the wire."""

from __future__ import annotations

import json

from flask import Flask, jsonify

from sluice.service.settings.starters import Starter
from sluice.web.api.json_response import make_json_response, make_uncached_response


def test_chinese_is_sent_as_it_is() -> None:
    response = make_json_response({"message": "你好，世界 🙂"}, 201)
    assert response.get_data() == '{"message":"你好，世界 🙂"}\n'.encode()
    assert (response.status_code, response.content_type) == (201, "application/json")


def test_a_reply_to_one_request_is_stored_by_no_cache() -> None:
    response = make_uncached_response({"status": "draining"}, 503)
    assert (response.status_code, response.headers["Cache-Control"]) == (503, "no-store")
    assert "Cache-Control" not in make_json_response({}).headers


def test_a_half_of_a_surrogate_pair_is_the_only_thing_that_is_escaped() -> None:
    text = '你\ud83d好\\"\n\x00'
    data = make_json_response({"message": text}).get_data()
    assert data == b'{"message":"\xe4\xbd\xa0\\ud83d\xe5\xa5\xbd\\\\\\"\\n\\u0000"}\n'
    assert json.loads(data) == {"message": text}


def test_a_dataclass_becomes_an_object() -> None:
    assert make_json_response({"starters": (Starter("冰？", "冰"),)}).get_json() == {
        "starters": [{"prompt": "冰？", "label": "冰"}]
    }


def test_the_applications_own_form_of_json_is_left_to_it() -> None:
    app = Flask(__name__)
    app.json.compact = False  # type: ignore[attr-defined]
    with app.app_context():
        assert make_json_response({"b": "你", "a": 1}).get_data() == '{"b":"你","a":1}\n'.encode()
        assert jsonify(b="你", a=1).get_data() == b'{\n  "a": 1,\n  "b": "\\u4f60"\n}\n'
