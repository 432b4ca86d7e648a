"""The programs in the documentation do what the pages say of them."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask

ROOT = Path(__file__).parents[3]


def program(page: str, part: str) -> str:
    """Return the only block of Python on a page that contains a text."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    (found,) = [block for block in blocks if part in block]
    return str(found)


@pytest.fixture
def started() -> Iterator[list[Any]]:
    """Collect loops that examples start, and end them."""
    loops: list[Any] = []
    yield loops
    for loop in loops:
        loop.close()


def run(source: str, loops: list[Any]) -> Flask:
    module = ModuleType("example")
    exec(compile(source, "example", "exec"), module.__dict__)
    if hasattr(module, "loop"):
        loops.append(module.loop)
    app = module.app
    assert isinstance(app, Flask)
    return app


def test_the_example_view_streams_its_items(started: list[Any]) -> None:
    source = program("docs/tutorial.md", "Bridge(loop, words())").replace("asyncio.sleep(0.5)", "asyncio.sleep(0)")
    assert run(source, started).test_client().get("/words").text == "one\nloop\nis\nenough\n"


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "docs/tutorial.md", "docs/how-to/install.md"])
def test_the_example_of_an_application_has_the_chat_below_a_path(page: str, started: list[Any]) -> None:
    client = run(program(page, "DispatcherMiddleware"), started).test_client()
    assert client.get("/assistant/api/config").status_code == 200
    assert client.get("/api/config").status_code == 404


def test_the_copied_bridge_streams_ticks_and_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], started: list[Any]
) -> None:
    page = (ROOT / "docs/how-to/embed-bridge.md").read_text(encoding="utf-8")
    (copied,) = re.findall(r"^Copy the folder `(\S+)/`", page, re.MULTILINE)
    shutil.copytree(ROOT / copied, tmp_path / "streaming", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(tmp_path)
    try:
        app = run(program("docs/how-to/embed-bridge.md", "async def count"), started)
        client = app.test_client()
        whole = client.get("/count?to=2").text
        failed = client.get("/count?to=5").text
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "streaming"]:
            del sys.modules[name]
    tick = "\n\n:\n\n"
    assert tick in whole
    assert whole.replace(":\n\n", "") == "data: 1\n\ndata: 2\n\n"
    assert failed.replace(tick, "\n\n").endswith('data: 3\n\ndata: {"error": "the count failed"}\n\n')
    assert capsys.readouterr().out == "the source has ended\n" * 2
