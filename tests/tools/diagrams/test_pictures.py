"""The drawings of the architecture page: they show the modules and imports that there are, and are well-formed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tools.diagrams import modules, request_path
from tools.diagrams.imports import read_modules
from tools.diagrams.pictures import PICTURES, ROOT

SVG = "{http://www.w3.org/2000/svg}"


def description(svg: str) -> str:
    """Return what a drawing says of itself in words."""
    return ElementTree.fromstring(svg).findtext(f"{SVG}desc") or ""


@pytest.mark.parametrize("name", PICTURES)
def test_a_drawing_shows_what_there_is(name: str) -> None:
    held = description((ROOT / name).read_text(encoding="utf-8"))
    assert held == description(PICTURES[name](ROOT)), f"{name} is stale: run `make diagrams`"
    assert len(held) > 500


def test_every_module_and_every_import_between_folders_is_found(tmp_path: Path) -> None:
    files = {
        "sluice/__init__.py": "from .web import create_app as create_app",
        "service/__init__.py": "from .runs.run import Run as Run",
        "service/errors.py": "import os",
        "service/runs/__init__.py": '"""Runs."""',
        "service/runs/run.py": "from ..errors import ServiceError\nfrom . import usage",
        "service/runs/usage.py": "",
        "web/__init__.py": "def create_app():\n    from .api.chat import chat",
        "web/api/__init__.py": '"""Routes."""',
        "web/api/chat.py": "from ...service import Run\nfrom sluice.service.runs.usage import Usage",
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert read_modules(tmp_path).imports == {
        ("sluice.service.runs.run", "sluice.service.errors"),
        ("sluice.service.runs.run", "sluice.service.runs.usage"),
        ("sluice.web", "sluice.web.api.chat"),
        ("sluice.web.api.chat", "sluice.service.runs.run"),
        ("sluice.web.api.chat", "sluice.service.runs.usage"),
    }
    drawn = modules.draw(tmp_path)
    assert description(drawn) == (
        "service/errors.py holds errors. service/runs holds run, usage. web/api holds chat. "
        "service/runs imports service/errors.py. web imports web/api. web/api imports service/runs."
    )
    shown = ElementTree.fromstring(drawn)
    assert {part.text for part in shown.iter(f"{SVG}title")} >= {"web/api imports service/runs"}
    assert "prefers-color-scheme: dark" in drawn


def test_the_architecture_page_describes_every_folder() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = [init.parent for half in ("service", "web") for init in (ROOT / half).glob("*/__init__.py")]
    folders = sorted(str(package.relative_to(ROOT)) for package in packages)
    assert len(folders) > 10
    assert [name for name in folders if f"`{name}/`" not in page] == []


def test_a_folder_without_a_position_is_drawn_in_its_half(tmp_path: Path) -> None:
    for name in ("service/new/__init__.py", "service/new/part.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert "service/new holds part." in description(modules.draw(tmp_path))
    assert ">part<" in modules.draw(tmp_path)


def test_a_step_in_a_module_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"names modules that do not exist: .*web/replies/socket_reader"):
        request_path.draw(tmp_path)
