"""The page's files: one version made of what they hold, unchanged by the disk."""

from __future__ import annotations

import gzip
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import brotli
import pytest

from sluice.web.page.assets import BEST_QUALITY_BYTES, JOINED_STYLES, STYLE_SHEETS, Asset, Assets, page_assets

MODULES = {"js/main.js": 'import "./later.js";\n', "js/later.js": "// why\n", "lib/b.js": ""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of modules, and of files that are not for browsers."""
    for name, text in {**MODULES, "build.mjs": "secret", "vendor/.stamp": "", "notes": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_only_files_of_a_kind_that_pages_use_are_there(folder: Path) -> None:
    assert sorted(Assets(folder)) == sorted(MODULES)


def test_the_version_is_of_what_the_files_hold_and_are_called_and_of_nothing_else(folder: Path) -> None:
    version = Assets(folder).version
    (folder / "js/main.js").touch()
    (folder / "notes").write_text("changed")
    assert Assets(folder).version == version
    (folder / "js/later.js").write_text(";")
    changed = Assets(folder).version
    (folder / "js/later.js").rename(folder / "js/sooner.js")
    assert len({version, changed, Assets(folder).version}) == 3


def test_what_is_held_does_not_change_with_the_disk(folder: Path) -> None:
    assets = Assets(folder)
    for path in folder.rglob("*.js"):
        path.write_text("from another version")
    assert assets["js/main.js"].body.decode() == MODULES["js/main.js"]
    assert brotli.decompress(assets["js/main.js"].encode("br")).decode() == MODULES["js/main.js"]


def test_our_style_sheets_come_without_comments_and_keep_their_lines(folder: Path) -> None:
    sheet = """/* The frame.\n   Two lines. */\n\na {\n  color: red; /* why */\n  margin: 0;\n}\n"""
    (folder / "css").mkdir(exist_ok=True)
    (folder / "css/a.css").write_text(sheet)
    lines = Assets(folder)["css/a.css"].body.decode().split("\n")
    assert lines == ["", "", "", "a {", "color: red;", "margin: 0;", "}", ""]


@pytest.mark.parametrize("name", ["js/a.js", "vendor/library.js", "vendor/library.css"])
def test_modules_and_licences_of_libraries_come_as_they_are(folder: Path, name: str) -> None:
    text = "/** A licence,\n * in two lines. */\n"
    (folder / name).write_text(text)
    assert Assets(folder)[name].body.decode() == text


@pytest.mark.parametrize("size", [0, 1, BEST_QUALITY_BYTES, BEST_QUALITY_BYTES + 1])
def test_every_coding_gives_the_bytes_back(size: int) -> None:
    asset = Asset(b"x" * size, "text/plain")
    assert brotli.decompress(asset.encode("br")) == gzip.decompress(asset.encode("gzip")) == asset.body


def test_threads_that_come_first_together_get_the_same_bytes() -> None:
    asset = Asset(bytes(range(256)) * 300, "text/plain")
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(asset.encode, ["br"] * 32))) == 1


def test_every_style_sheet_is_in_the_joined_one_or_loaded_by_a_module() -> None:
    assets = page_assets()
    joined = [f"css/{name}.css" for name in STYLE_SHEETS]
    scripts = b"".join(assets[name].body for name in assets if name.startswith("js/")).decode()
    loaded = set(re.findall(r'loadStyles\("(css/[^"]+)"\)', scripts))
    names = [name for name in assets if name.startswith("css/") and name != JOINED_STYLES]
    assert sorted(names) == sorted([*joined, *loaded])
    assert [name for name in joined if assets[name].body not in assets[JOINED_STYLES].body] == []
