"""The folders that claim to do no I/O import nothing that could do any."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WITHOUT_IO = ("decoding", "failures")
# What their files import from the standard library and from packages, all of it.
ALLOWED = {
    "__future__",
    "codecs",
    "collections",
    "dataclasses",
    "datetime",
    "email",
    "enum",
    "json",
    "logging",
    "math",
    "msgspec",
    "re",
    "sys",
    "typing",
}


@pytest.mark.parametrize("folder", WITHOUT_IO)
def test_a_folder_without_io_imports_only_what_computes(folder: str) -> None:
    found = set()
    for file in (ROOT / "service" / folder).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    assert found - ALLOWED == set()
    assert not any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("open", "input", "print")
        for file in (ROOT / "service" / folder).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
    )


@pytest.mark.parametrize("folder", WITHOUT_IO)
def test_a_fresh_interpreter_that_imports_such_a_folder_has_no_loop_and_no_client(folder: str) -> None:
    modules = [f"sluice.service.{folder}.{file.stem}" for file in (ROOT / "service" / folder).glob("[!_]*.py")]
    script = f"import {', '.join(modules)}, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert set(done.stdout.split()) & {"asyncio", "ssl", "aiohttp", "openai", "janus"} == set()
