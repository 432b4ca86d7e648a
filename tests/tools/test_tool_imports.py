"""What the tools import: of each other only what they share, and of the tests nothing else than is stated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.test_rooms import ROOT, imports

TOOLS = sorted(path.name for path in (ROOT / "tools").iterdir() if path.is_dir() and path.name != "__pycache__")
#: Beside `tools.common`, which imports none of them.
ALSO = {"screenshots": {"loadtest"}}  # it takes the picture of the load test's report
#: Helpers of the tests by which tools start servers and play models.
OF_THE_TESTS = {
    "tests.browser.chat_page",
    "tests.browser.chromium",
    "tests.gunicorn_server",
    "tests.leaks",
    "tests.raw_client",
    "tests.scripted_model",
}


def modules(tool: str) -> list[Path]:
    return sorted((ROOT / "tools" / tool).rglob("*.py"))


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_imports_of_the_others_only_what_all_share(tool: str) -> None:
    names = {name for module in modules(tool) for name in imports(module) if name.startswith("tools.")}
    assert names
    found = {name.split(".")[1] for name in names} - {tool, "common"}
    assert found == (ALSO.get(tool, set()) if tool != "common" else set())


def test_of_the_tests_the_tools_import_no_more_than_is_stated() -> None:
    names = {name for tool in TOOLS for module in modules(tool) for name in imports(module)}
    found = {
        ".".join(name.split(".")[: 3 if name.startswith("tests.browser.") else 2])
        for name in names
        if name.startswith("tests.")
    }
    assert found == OF_THE_TESTS


def test_nothing_that_ships_imports_tools_or_tests() -> None:
    files = [
        *(ROOT / "service").rglob("*.py"),
        *(ROOT / "web").rglob("*.py"),
        ROOT / "wsgi.py",
        ROOT / "gunicorn.conf.py",
    ]
    assert [
        str(file) for file in files for name in imports(file) if name.partition(".")[0] in ("tools", "tests")
    ] == []
