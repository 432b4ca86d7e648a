"""`flask sluice config`: each setting's value and origin, and what is wrong, without any secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import FlaskGroup

from sluice import Sluice
from sluice.service.settings.fields import setting_fields
from sluice.service.settings.names import known_names
from sluice.web.cli.commands import sluice_commands
from sluice.web.extension_state import ExtensionState

SECRET = "sk-this-must-not-be-shown"
HOST_APPLICATION = """
from flask import Flask
from sluice import Sluice

app = Flask(__name__)
app.config.update(SLUICE_MAX_STREAMS=7, SLUICE_MAX_STREMS=8, OPENAI_API_KEY="{secret}")
sluice = Sluice(app)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in (*known_names(), "FLASK_APP"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def report(*arguments: str, as_flask: bool = False) -> tuple[int, dict[str, Any], dict[str, dict[str, Any]]]:
    """Run the command; return its exit code, the report, and its settings by their names."""
    if as_flask:
        group = FlaskGroup()
        group.add_command(sluice_commands)
        done = CliRunner().invoke(group, ["sluice", "config", "--json", *arguments])
    else:
        done = CliRunner().invoke(sluice_commands, ["config", "--json", *arguments])
    assert SECRET not in done.output
    said = json.loads(done.stdout)
    return done.exit_code, said, {each["name"]: each for each in said["settings"]}


def test_each_setting_has_its_value_and_the_source_that_sets_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("PORT=9000\nHOST=127.0.0.2\nSLUICE_MAX_STREAMS=3\n")
    key = folder / "key"
    key.write_text(SECRET)
    monkeypatch.setenv("HOST", "127.0.0.3")
    monkeypatch.setenv("SLUICE_MAX_STREAMS", " ")
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(key))
    code, _, settings = report()
    assert code == 0
    assert settings.keys() == {name for name in known_names() if not name.endswith("_FILE")}
    dotenv = str(folder / ".env")
    origins = {name: (each["value"], each["source"]) for name, each in settings.items() if each["set"]}
    assert origins == {
        "HOST": ("127.0.0.3", "environment"),
        "PORT": (9000, dotenv),
        "SLUICE_MAX_STREAMS": (3, dotenv),
        "OPENAI_API_KEY": (None, "environment"),
    }
    assert settings["OPENAI_API_KEY"]["file"] == str(key)
    assert (
        settings["SLUICE_CONNECT_TIMEOUT"] | {"value": 5.0, "source": "default"} == settings["SLUICE_CONNECT_TIMEOUT"]
    )


def test_what_flask_has_read_from_a_file_is_reported_as_of_that_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("PORT=9000\nOPENAI_SYSTEM_PROMPT=costs $HOME\n")
    (folder / ".flaskenv").write_text("PORT=9001\nSLUICE_MAX_STREAMS=5\n")
    # They are put into the environment by `flask`, and taken away after the test.
    for name in ("PORT", "OPENAI_SYSTEM_PROMPT", "SLUICE_MAX_STREAMS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    _, _, settings = report(as_flask=True)
    sources = {name: each["source"] for name, each in settings.items() if each["set"]}
    assert sources == {
        "PORT": str(folder / ".env"),
        "OPENAI_SYSTEM_PROMPT": str(folder / ".env"),
        "SLUICE_MAX_STREAMS": str(folder / ".flaskenv"),
    }


def test_an_applications_configuration_comes_first_and_its_misspelt_names_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "host_with_sluice.py").write_text(HOST_APPLICATION.format(secret=SECRET))
    monkeypatch.setenv("FLASK_APP", "host_with_sluice")
    monkeypatch.setenv("SLUICE_MAX_STREAMS", "3")
    code, said, settings = report(as_flask=True)
    assert code == 0
    assert (settings["SLUICE_MAX_STREAMS"]["value"], settings["SLUICE_MAX_STREAMS"]["source"]) == (7, "app.config")
    assert settings["OPENAI_API_KEY"]["set"]
    assert said["unknown"] == [
        "SLUICE_MAX_STREMS in app.config is no setting, and has no effect; did you mean SLUICE_MAX_STREAMS?"
    ]


@pytest.mark.parametrize(
    ("in_config", "in_environment"),
    [
        ({"SLUICE_MAX_STREAMS": ""}, {"SLUICE_MAX_STREAMS": "3"}),
        ({"SLUICE_MAX_STREAMS_FILE": "nothing"}, {"SLUICE_MAX_STREAMS": "3"}),
        ({"OPENAI_SYSTEM_PROMPT": " "}, {"OPENAI_SYSTEM_PROMPT_FILE": "prompt"}),
        ({"OPENAI_SYSTEM_PROMPT_FILE": ""}, {"OPENAI_SYSTEM_PROMPT": "Be brief."}),
        ({"OPENAI_SYSTEM_PROMPT_FILE": "prompt"}, {"OPENAI_SYSTEM_PROMPT": "Be long."}),
        ({"OPENAI_SYSTEM_PROMPT": "Be brief."}, {"OPENAI_SYSTEM_PROMPT_FILE": "missing"}),
    ],
)
def test_the_application_has_the_values_that_are_reported(
    folder: Path, monkeypatch: pytest.MonkeyPatch, in_config: dict[str, str], in_environment: dict[str, str]
) -> None:
    (folder / "prompt").write_text("Be brief.")
    for name, text in in_environment.items():
        monkeypatch.setenv(name, text)
    app = Flask("host")
    app.config.update(in_config)
    Sluice(app)
    monkeypatch.setattr("sluice.web.cli.commands.find_application", lambda _: app)
    code, said, reported = report()
    has = {
        field.metadata["variable"]: value
        for field, value in setting_fields(ExtensionState.of(app).service.settings)
        if not field.metadata["secret"]
    }
    assert (code, said["problems"]) == (0, [])
    compared = ("SLUICE_MAX_STREAMS", "OPENAI_SYSTEM_PROMPT")
    assert {name: has[name] for name in compared} == {name: reported[name]["value"] for name in compared}
    assert 3 in has.values() or "Be brief." in has.values()


def test_bad_values_and_unknown_names_are_told_and_the_exit_code_is_1(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("PORT=80O0\nSLUICE_HEARTBEET_INTERVAL=3\n")
    monkeypatch.setenv("OPENAI_API_KEY", f"{SECRET} and more")
    code, said, settings = report()
    assert code == 1
    assert said["problems"] == [
        "OPENAI_API_KEY is (hidden); it should be "
        + settings["OPENAI_API_KEY"]["problem"].partition("should be ")[2],
        "PORT is '80O0'; it should be a whole number from 0 to 65535.",
    ]
    assert said["unknown"] == [
        f"SLUICE_HEARTBEET_INTERVAL in {folder / '.env'} is no setting, and has no effect; "
        "did you mean SLUICE_HEARTBEAT_INTERVAL?"
    ]
    text = CliRunner().invoke(sluice_commands, ["config"]).output
    assert "PORT is '80O0'" in text
    assert SECRET not in text


def test_an_application_that_refuses_its_settings_is_reported_by_what_is_bad(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "host_with_bad_settings.py").write_text("from sluice import create_app\napp = create_app()\n")
    monkeypatch.setenv("FLASK_APP", "host_with_bad_settings")
    monkeypatch.setenv("SLUICE_MAX_STREAMS", "none")
    code, said, _ = report(as_flask=True)
    assert code == 1
    assert said["problems"] == [
        "SLUICE_MAX_STREAMS is 'none'; it should be a whole number of streams from 1 to 10000."
    ]


def test_the_file_of_providers_is_examined_and_its_keys_are_not_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "providers.toml"
    file.write_text(
        f'[[providers]]\nname = "a"\nbase_url = "http://a.example/v1"\nmodels = ["m"]\nkey = "{SECRET}"\n'
    )
    monkeypatch.setenv("SLUICE_PROVIDERS", "providers.toml")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://b.example/v1")
    code, said, settings = report()
    assert (code, said["problems"], settings["SLUICE_PROVIDERS"]["value"]) == (0, [], "providers.toml")
    assert said["notes"] == [
        "OPENAI_BASE_URL has no effect with SLUICE_PROVIDERS: providers.toml says which providers are asked."
    ]
    file.write_text(file.read_text() + "modles = 1\n")
    code, said, _ = report()
    assert (code, said["problems"]) == (
        1, ["SLUICE_PROVIDERS: providers.toml, [[providers]] 1 (a): 'modles' is no key here; did you mean models?"]
    )  # fmt: skip
