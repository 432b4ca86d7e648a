"""Which proxy of the environment is chosen for a model's server."""

from __future__ import annotations

import os

import pytest

from sluice.service.provider.proxy import proxy_for

PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def test_without_proxies_in_the_environment_there_is_none() -> None:
    assert proxy_for("https://model.example/v1") is None


@pytest.mark.parametrize(
    ("variable", "url", "chosen"),
    [
        ("HTTP_PROXY", "http://model.example/v1", True),
        ("HTTP_PROXY", "https://model.example/v1", False),
        ("HTTPS_PROXY", "https://model.example/v1", True),
        ("https_proxy", "https://model.example/v1", True),
        ("HTTPS_PROXY", "http://model.example/v1", False),
        ("ALL_PROXY", "http://model.example/v1", True),
        ("all_proxy", "https://model.example/v1", True),
    ],
)
def test_each_variable_is_for_its_scheme_and_all_proxy_for_both(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str, chosen: bool
) -> None:
    monkeypatch.setenv(variable, PROXY)
    assert proxy_for(url) == (PROXY if chosen else None)


def test_the_variable_of_the_scheme_goes_before_all_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://other.example:1080")
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert proxy_for("https://model.example/v1") == PROXY


def test_a_proxy_without_a_scheme_speaks_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "proxy.example:3128")
    assert proxy_for("https://model.example/v1") == PROXY


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", "http://localhost/v1", "http://[::1]:8000/v1"])
def test_our_own_machine_is_reached_straight(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    assert proxy_for(url) is None


@pytest.mark.parametrize(
    ("bypassed", "url", "straight"),
    [
        ("*", "https://model.example/v1", True),
        ("other.example, *", "https://model.example/v1", True),
        ("model.example", "https://model.example/v1", True),
        ("Model.Example", "https://model.example/v1", True),
        ("example", "https://model.example/v1", True),
        (".example", "https://model.example/v1", True),
        ("*.example", "https://model.example/v1", True),
        ("del.example", "https://model.example/v1", False),
        ("*.model.example", "https://model.example/v1", False),
        ("model.example:8443", "https://model.example:8443/v1", True),
        ("model.example:8443", "https://model.example/v1", False),
        ("other.example", "https://model.example/v1", False),
        ("10.0.0.0/8", "http://10.1.2.3:8000/v1", True),
        ("10.0.0.0/8", "http://11.1.2.3:8000/v1", False),
        ("10.1.2.3", "http://10.1.2.3:8000/v1", True),
        ("fd00::/8", "http://[fd00::1]:8000/v1", True),
        ("[fd00::1]", "http://[fd00::1]:8000/v1", True),
        ("10.0.0.0/8", "http://[fd00::1]:8000/v1", False),
        ("10.0.0.0/99, ,model.example", "https://model.example/v1", True),
    ],
)
def test_what_no_proxy_names_is_reached_straight(
    monkeypatch: pytest.MonkeyPatch, bypassed: str, url: str, straight: bool
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", bypassed)
    assert proxy_for(url) == (None if straight else PROXY)
