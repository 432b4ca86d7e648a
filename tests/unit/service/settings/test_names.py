"""Names that look like settings: which of them get a warning."""

from __future__ import annotations

import re

import pytest

from sluice.service.settings.names import known_names, warn_of_unused_names
from sluice.service.settings.records.provider import ProviderSettings
from sluice.service.settings.settings import Settings

REAL = Settings(provider=ProviderSettings(api_key="k" * 20))


def said(*, settings: Settings = REAL, written: dict[str, str] | None = None, **environ: str) -> list[str]:
    return warn_of_unused_names(environ, written or {}, settings)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SLUICE_MAX_STREEMS", "SLUICE_MAX_STREAMS"),
        ("SLUICE_MAX_STREAM", "SLUICE_MAX_STREAMS"),
        ("SLUICE_MAXSTREAMS", "SLUICE_MAX_STREAMS"),
        ("sluice_max_streams", "SLUICE_MAX_STREAMS"),
        ("SLUICE_LOGLEVEL", "SLUICE_LOG_LEVEL"),
        ("SLUICE_TIMEOUT_TOTAL", None),
        ("SLUICE_WHATEVER", None),
        ("SLUICE_MODEL", "OPENAI_MODEL"),
        ("SLUICE_API_KEY", "OPENAI_API_KEY"),
        ("SLUICE_API_KEY_FILE", "OPENAI_API_KEY_FILE"),
        ("SLUICE_HOST", "HOST"),
        ("SLUICE_PORT", "PORT"),
        ("OPENAI_MAX_STREAMS", "SLUICE_MAX_STREAMS"),
        ("OPENAI_API_KEYS", "OPENAI_API_KEY"),
        ("OPENAI_APIKEY", "OPENAI_API_KEY"),
        ("OPENAI_BASEURL", "OPENAI_BASE_URL"),
        ("OPENAI_MODEL_NAME", "OPENAI_MODEL"),
        ("SLUICE_TOTAL_TIMEOUT_FILE", "SLUICE_TOTAL_TIMEOUT"),
    ],
)
@pytest.mark.parametrize("where", ["the environment", ".env"])
def test_a_warning_about_a_misspelt_name_has_the_one_that_may_be_meant(
    name: str, meant: str | None, where: str
) -> None:
    (sentence,) = said(**{name: "17"}) if where == "the environment" else said(written={name: "17"})
    place = "" if where == "the environment" else " in .env"
    question = f"; did you mean {meant}?" if meant else "."
    assert sentence == f"{name}{place} is no setting, and has no effect{question}"


@pytest.mark.parametrize("name", known_names())
def test_no_warning_is_given_for_a_setting(name: str) -> None:
    assert said(**{name: "x"}, written={name: "x"}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/bin"),
        ("HOSTNAME", "web-1"),
        ("OPENAI_LOG", "debug"),
        ("OPENAI_API_VERSION", "2026-01-01"),
        ("OPENAI_API_TYPE", "azure"),
        ("OPENAI_WEBHOOK_SECRET", "s"),
        ("OPENAI_CUSTOM_HEADERS", "X-A: b"),
        ("OPENAI_AGENTS_DISABLE_TRACING", "1"),
        ("OPENAI_SOMETHING_ELSE", "x"),
        ("SLUICE_METRICS_OWNER", "17"),
        # Kubernetes' and Docker's, for a service named "sluice".
        ("SLUICE_SERVICE_HOST", "10.0.0.1"),
        ("SLUICE_SERVICE_PORT", "8000"),
        ("SLUICE_SERVICE_PORT_HTTP", "8000"),
        ("SLUICE_PORT", "tcp://10.0.0.1:8000"),
        ("SLUICE_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("SLUICE_PORT_8000_TCP_PROTO", "tcp"),
        ("SLUICE_PORT_8000_TCP_ADDR", "10.0.0.1"),
        # And for another one of the same application.
        ("SLUICE_FRONT_SERVICE_HOST", "10.0.0.2"),
        ("SLUICE_FRONT_SERVICE_PORT_HTTP", "8080"),
        ("SLUICE_FRONT_PORT", "tcp://10.0.0.2:8080"),
        ("SLUICE_FRONT_PORT_8080_TCP", "tcp://10.0.0.2:8080"),
        ("SLUICE_FRONT_PORT_8080_TCP_ADDR", "10.0.0.2"),
        ("SLUICE_MAX_STREEMS", " "),
    ],
)
def test_no_warning_is_given_for_names_that_others_read(name: str, value: str) -> None:
    assert said(**{name: value}) == []


def test_a_file_is_asked_about_names_without_a_prefix_too() -> None:
    (sentence,) = said(written={"WEB_CONCURENCY": "4", "PROT": "9000", "MY_OWN": "x"})
    assert sentence == "WEB_CONCURENCY in .env is no setting, and has no effect; did you mean WEB_CONCURRENCY?"
    # An environment is shared with whatever else runs there.
    assert said(WEB_CONCURENCY="4") == []


def test_no_warning_has_a_value_as_it_may_be_a_key() -> None:
    assert "sk-secret" not in " ".join(said(OPENAI_API_KEYS="sk-secret", SLUICE_KEY="sk-secret"))


def test_a_warning_names_variables_that_choose_who_pays_where_openai_answers() -> None:
    both = {"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1"}
    sentences = said(**both)
    assert [re.match(r"OPENAI_\w+ is not used", sentence) is not None for sentence in sentences] == [True, True]
    assert said(**both, settings=Settings()) == []
    assert (
        said(**both, settings=Settings(provider=ProviderSettings(base_url="http://127.0.0.1:1/v1", model="m"))) == []
    )
