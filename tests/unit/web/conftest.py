"""Applications that have the extension."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from sluice import Sluice
from sluice.web.extension_state import ExtensionState
from tests.support.extension_app import MakeApp
from tools.common.scripted_model import ScriptedModel


@pytest.fixture
def make_app(model: ScriptedModel) -> Iterator[MakeApp]:
    """Return a function that makes an application with the extension, whose model is the scripted one."""
    made: list[Flask] = []

    def make(prefix: str = "/assistant", **config: Any) -> tuple[Flask, Sluice]:
        app = Flask("host")
        app.secret_key = "of the tests"
        app.config.update({"OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": "m", "OPENAI_API_KEY": "k", **config})
        made.append(app)
        return app, Sluice(app, url_prefix=prefix)

    yield make
    for app in made:
        if ExtensionState.is_in(app):
            assert ExtensionState.of(app).close()
