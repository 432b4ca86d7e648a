"""What is used of aiohttp's private parts is in one file, and is checked when that file is imported."""

from __future__ import annotations

import ast
from pathlib import Path

import aiohttp
import pytest

from sluice.service.provider import aiohttp_internals
from sluice.service.provider.aiohttp_internals import UnsupportedAiohttp, check_installed

ROOT = Path(__file__).parents[4]
FILE = Path(aiohttp_internals.__file__).resolve()
# An attribute of these names may also be an object's own.
COMMON = {"_loop"}


def private_names() -> set[str]:
    """Return the private names of aiohttp that the file uses."""
    return {name for names in aiohttp_internals._USED.values() for name in names if name.startswith("_")} - COMMON


def attributes(file: Path) -> set[str]:
    """Return the names of all attributes that a file reads, assigns or defines."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    methods = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)} | methods


@pytest.mark.parametrize("version", ["3.13.9", "3.15.0", "3.140.0", "4.0.0a1"])
def test_another_release_of_aiohttp_is_refused_with_what_to_install(version: str) -> None:
    with pytest.raises(UnsupportedAiohttp) as raised:
        check_installed(version)
    assert str(raised.value) == (
        f"aiohttp {version} is installed and is not supported; "
        "install the release that Sluice supports: pip install 'aiohttp==3.14.*'"
    )


def test_a_missing_attribute_is_named_with_its_class() -> None:
    used = {aiohttp.StreamReader: ("_buffer", "_gone"), aiohttp.BaseConnector: ("_factory", "_lost")}
    with pytest.raises(
        UnsupportedAiohttp, match=r"^aiohttp 3\.14\.5 has no StreamReader\._gone and no BaseConnector"
    ):
        check_installed("3.14.5", used)


def test_the_installed_version_has_every_attribute_that_is_used() -> None:
    check_installed(aiohttp.__version__)


def test_every_private_attribute_that_the_file_uses_is_checked() -> None:
    ours = {"_has", "_protocol", "_reader"}
    used = {name for name in attributes(FILE) if name.startswith("_") and not name.startswith("__")} - ours
    assert used == private_names() | {"_loop"}


def test_no_other_file_uses_them() -> None:
    others = [file for half in ("service", "web") for file in (ROOT / half).glob("**/*.py") if file.resolve() != FILE]
    imports_aiohttp = [file for file in others if "aiohttp" in file.read_text()]
    assert len(imports_aiohttp) > 3
    assert {
        str(file): attributes(file) & private_names()
        for file in imports_aiohttp
        if attributes(file) & private_names()
    } == {}
    inner = ("aiohttp.client_proto", "aiohttp.http_exceptions", "aiohttp.streams", "aiohttp.connector")
    assert [str(file) for file in imports_aiohttp if any(f"from {name}" in file.read_text() for name in inner)] == []
