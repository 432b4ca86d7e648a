"""Parsers of settings: a text in, a value out; or `ValueError` with what the text should be."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit


def number(kind: type[int] | type[float], least: float, most: float, unit: str) -> Callable[[str], float]:
    """Make a parser of numbers.

    Args:
        kind: `int` or `float`.
        least: The smallest value.
        most: The largest value.
        unit: What is counted, for the message; empty for none.
    """
    of = f" of {unit}" if unit else ""
    expected = f"a {'whole ' if kind is int else ''}number{of} from {least:.12g} to {most:.12g}"

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError(expected) from None
        if not least <= value <= most:  # also refuses NaN
            raise ValueError(expected)
        return value

    return parse


def seconds(least: float, most: float) -> Callable[[str], float]:
    """Make a parser of a duration in seconds."""
    return number(float, least, most, "seconds")


def count(least: int, most: int, unit: str) -> Callable[[str], float]:
    """Make a parser of a whole number of units."""
    return number(int, least, most, unit)


def one_of(*words: str) -> Callable[[str], str]:
    """Make a parser that takes one of these words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(" or ".join(words))
        return text.lower()

    return parse


def parse_url(text: str) -> str:
    """Parse the base URL of a model's server; take a slash off its end."""
    expected = "a URL such as https://api.example.com/v1, in ASCII and without a query or a password"
    # Domains in other letters have a form in ASCII (xn--...). Which others are right, libraries disagree about.
    if not re.fullmatch(r"[!-~]{1,2000}", text) or set(text) & {"#", "\\"}:
        raise ValueError(expected)
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  (raises where the port is not a number)
        host = parts.hostname or ""
        if "[" in parts.netloc or re.fullmatch(r"[\d.]+", host):
            ip_address(host)
        else:
            host.encode("idna").decode("idna")  # lengths of its parts, and what is behind an xn--
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in ("http", "https") or not host or parts.query or "@" in parts.netloc:
        raise ValueError(expected)
    return text.rstrip("/")


def url_is_public(text: str) -> bool:
    """Return whether a text that may be a URL has no part that could hold a password or a key."""
    return "@" not in text and "?" not in text


def header_word(text: str) -> str:
    """Parse a text that a header can hold."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("printable ASCII without spaces, because it is sent in a header")
    return text


def listen_address(text: str) -> str:
    """Parse a name or an IP address, without its port."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("an IP address or a name, such as 127.0.0.1, :: or localhost")
    return text


def header_text(text: str) -> str:
    """Parse a text of words that a header can hold."""
    if not text.isascii() or not text.isprintable() or not text.strip():
        raise ValueError("printable ASCII on one line, because it is sent in a header")
    return text.strip()


def frame_ancestors(text: str) -> str:
    """Parse sites with spaces between them, in which `none` and `self` may have the quotes of the directive."""
    words = [
        word.strip("'").lower() if word.strip("'").lower() in ("none", "self") else word for word in text.split()
    ]
    if (
        not words
        or ("none" in words and len(words) > 1)
        or not all(re.fullmatch(r"[!-:<-~]+", word) for word in words)
    ):
        raise ValueError("none, or sites with spaces between them, such as self https://intranet.example.com")
    return " ".join(words)


def printable_text(text: str) -> str:
    """Parse a name of printable characters."""
    if not text.isprintable():
        raise ValueError("printable text")
    return text


def model_names(text: str) -> tuple[str, ...]:
    """Parse names with commas between them; each is kept once."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names or not all(name.isprintable() for name in names):
        raise ValueError("names of models with commas between them")
    return names


def field_names(text: str) -> tuple[str, ...]:
    """Parse names of JSON fields with commas between them; each is kept once."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names or not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name) for name in names):
        raise ValueError("names of fields with commas between them, such as service_tier,web_search_options")
    return names


def host_names(text: str) -> tuple[str, ...]:
    """Parse names of hosts with commas between them, in lower case; each is kept once."""
    hosts = tuple(dict.fromkeys(host.strip().lower().removesuffix(".") for host in text.split(",") if host.strip()))
    # Other than in a base URL, a port or a scheme would be ignored, and the operator would think it mattered.
    if not hosts or not all(re.fullmatch(r"\*|\.?[a-z0-9_]+([.-]+[a-z0-9_]+)*", host) for host in hosts):
        raise ValueError(
            "names in ASCII with commas between them, such as chat.example.com, or .example.com for it and all below "
            "it, or * for any; without a scheme or a port"
        )
    return hosts


def is_loopback(host: str) -> bool:
    """Return whether a host is `localhost` or an address of loopback."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
