"""Which proxy of the environment is chosen for a model's server."""

from __future__ import annotations

import pytest

from sluice.service.settings.proxies import Proxies
from sluice.service.settings.settings import Settings

PROXY = "http://proxy.example:3128"


def proxy_for(url: str, **environ: str) -> str | None:
    return Proxies.read(environ).choose(url)


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
def test_each_variable_is_for_its_scheme_and_all_proxy_for_both(variable: str, url: str, chosen: bool) -> None:
    assert proxy_for(url, **{variable: PROXY}) == (PROXY if chosen else None)


def test_the_variable_of_the_scheme_goes_before_all_proxy() -> None:
    environ = {"ALL_PROXY": "socks5://other.example:1080", "HTTPS_PROXY": PROXY}
    assert proxy_for("https://model.example/v1", **environ) == PROXY


def test_a_proxy_without_a_scheme_speaks_http() -> None:
    assert proxy_for("https://model.example/v1", ALL_PROXY="proxy.example:3128") == PROXY


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", "http://localhost/v1", "http://[::1]:8000/v1"])
def test_our_own_machine_is_reached_straight(url: str) -> None:
    assert proxy_for(url, ALL_PROXY=PROXY) is None


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
def test_what_no_proxy_names_is_reached_straight(bypassed: str, url: str, straight: bool) -> None:
    assert proxy_for(url, ALL_PROXY=PROXY, NO_PROXY=bypassed) == (None if straight else PROXY)


def test_the_lower_case_variable_wins_and_an_empty_one_takes_the_proxy_away() -> None:
    url = "https://model.example/v1"
    assert proxy_for(url, HTTPS_PROXY="http://other.example:1", https_proxy=PROXY) == PROXY
    assert proxy_for(url, https_proxy="", HTTPS_PROXY=PROXY) is None


def test_a_header_of_a_client_names_no_proxy_in_a_cgi_program() -> None:
    url = "http://model.example/v1"
    assert proxy_for(url, REQUEST_METHOD="POST", HTTP_PROXY=PROXY) is None
    assert proxy_for(url, REQUEST_METHOD="POST", http_proxy=PROXY) == PROXY


def test_settings_have_the_proxies_of_the_environment_that_they_are_loaded_from() -> None:
    assert Settings.load({"HTTPS_PROXY": PROXY}).proxies.choose("https://model.example/v1") == PROXY
    assert Settings().proxies == Proxies()
