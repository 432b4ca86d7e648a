"""What the tools import: of each other only what they share, and of the tests nothing else than is stated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.project.test_imports import ROOT, imports

TOOLS = sorted(path.name for path in (ROOT / "tools").iterdir() if path.is_dir() and path.name != "__pycache__")
#: Beside `tools.common`, which imports none of them.
ALSO = {"screenshots": {"loadtest"}}  # it takes the picture of the load test's report


def modules(tool: str) -> list[Path]:
    return sorted((ROOT / "tools" / tool).rglob("*.py"))


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_imports_of_the_others_only_what_all_share(tool: str) -> None:
    names = {name for module in modules(tool) for name in imports(module) if name.startswith("tools.")}
    found = {name.split(".")[1] for name in names} - {tool, "common"}
    assert found == (ALSO.get(tool, set()) if tool != "common" else set())


def test_the_scan_sees_imports() -> None:
    assert "tools.common.raw_client" in {name for module in modules("loadtest") for name in imports(module)}


def test_no_tool_imports_the_tests() -> None:
    names = {name for tool in TOOLS for module in modules(tool) for name in imports(module)}
    assert {name for name in names if name.partition(".")[0] == "tests"} == set()


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
