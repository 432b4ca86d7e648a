"""The bundle of the page's modules: used where it was made of these, and missed with a sentence."""

from __future__ import annotations

import json
import posixpath
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sluice.web import create_app
from sluice.web.page.assets import Assets, page_assets
from sluice.web.page.bundle import MANIFEST, ModuleFiles, describe_missing_bundle, module_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the page's modules and their bundle."""
    source = page_assets().source
    for name in ("js", "bundle"):
        shutil.copytree(source / name, tmp_path / name)
    return tmp_path


def test_the_bundle_of_these_modules_is_used(folder: Path) -> None:
    assets = Assets(folder)
    found = module_files(assets)
    assert found.folder == "bundle/"
    assert {"bundle/main.js", "bundle/settings/appearance.js"} <= set(found.first) <= set(assets)
    assert {"bundle/shared/interaction.js", "bundle/markdown/markdown.js"} <= found.later
    assert describe_missing_bundle(assets) == []


def test_a_conversation_is_drawn_without_what_the_first_interaction_loads() -> None:
    drawing = page_assets()["bundle/markdown/markdown.js"].body.decode()
    imported = set(re.findall(r'from"([^"]+)"', drawing))
    assert imported == {"../shared/before_paint.js", "../shared/page.js"}


def add_module(folder: Path) -> None:
    (folder / "js/new.js").write_text("")


def rename_module(folder: Path) -> None:
    (folder / "js/main.js").rename(folder / "js/other.js")


def change_module(folder: Path) -> None:
    with (folder / "js/main.js").open("a") as file:
        file.write("// one more comment\n")


def remove_bundle(folder: Path) -> None:
    (folder / MANIFEST).unlink()


@pytest.mark.parametrize("change", [add_module, rename_module, change_module, remove_bundle])
def test_without_a_bundle_of_these_modules_they_are_loaded_one_by_one_and_the_log_says_so(
    folder: Path, change: Callable[[Path], None]
) -> None:
    change(folder)
    assets = Assets(folder)
    assert module_files(assets) == ModuleFiles("js/", ())
    (warning,) = describe_missing_bundle(assets)
    assert f"{folder}/bundle {'is missing' if change is remove_bundle else 'was made of other modules'}" in warning
    assert "`make vendor`" in warning


def test_each_file_has_a_map_to_modules_that_are_served() -> None:
    assets = page_assets()
    maps = [name for name in assets if name.endswith(".map")]
    for name in maps:
        sources = json.loads(assets[name].body)["sources"]
        paths = [posixpath.normpath(posixpath.join(posixpath.dirname(name), source)) for source in sources]
        assert [path for path in paths if path not in assets] == [], name
        assert name.removesuffix(".map") in assets
    assert "bundle/shared/page.js.map" in maps


def test_the_page_names_the_bundle() -> None:
    html = create_app().test_client().get("/").text
    assert re.findall(r'<script [^>]*src="static/\w+/([^"]+)"', html) == [
        "bundle/settings/appearance.js",
        "bundle/main.js",
    ]


def test_answers_are_drawn_without_the_parts_of_the_first_interaction() -> None:
    imported = re.findall(r'from"([^"]+)"', page_assets()["bundle/markdown/markdown.js"].body.decode())
    assert "../shared/page.js" in imported
    assert "../shared/interaction.js" not in imported
