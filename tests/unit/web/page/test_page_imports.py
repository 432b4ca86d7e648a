"""Which folder of the page's modules may import which other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
MODULES = ROOT / "web" / "static" / "js"
FOLDERS = sorted(path.name for path in MODULES.iterdir() if path.is_dir())

#: Bottom first. A folder imports only from folders that stand before it here, and of those only from these. The types
#: that JSDoc comments import count too: they also tie one module to another.
ALLOWED: dict[str, set[str]] = {
    "browser": set(),
    "i18n": {"browser"},
    "api": {"browser"},
    "conversation": {"api"},
    "storage": {"browser", "api", "conversation"},
    "settings": {"i18n", "browser"},
    "ui": {"i18n", "browser"},
    "markdown": {"i18n", "browser", "ui"},
    "files": {"i18n", "browser", "api", "conversation", "storage", "ui"},
    "sync": {"browser", "conversation", "files", "storage"},
    "chat": {"i18n", "browser", "api", "conversation", "storage", "ui"},
    "dialogs": {"i18n", "browser", "api", "conversation", "storage", "settings", "ui", "files", "chat"},
    "composer": {"i18n", "browser", "api", "conversation", "storage", "settings", "ui", "dialogs"},
    "transcript": {"i18n", "browser", "api", "conversation", "storage", "ui", "markdown"},
    "sidebar": {"i18n", "browser", "conversation", "storage", "ui", "dialogs", "chat"},
}

_IMPORT = re.compile(r"""(?:\bfrom|\bimport|\bimport\(|\bnew URL\()\s*["'](\.[^"']+\.js)["']""")


def imports(module: Path) -> Iterator[Path]:
    """Yield the modules that one imports, or imports a type of, or starts as a worker."""
    for specifier in _IMPORT.findall(module.read_text()):
        yield (module.parent / specifier).resolve()


def imported_folders(folder: str) -> dict[str, str]:
    """Return the other folders that a folder imports from, each with one module that does so."""
    found: dict[str, str] = {}
    for module in sorted((MODULES / folder).rglob("*.js")):
        for imported in imports(module):
            other = imported.relative_to(MODULES).parts[0]
            if other != folder:
                found[other] = module.name
    return found


def test_the_scan_sees_statements_types_and_workers() -> None:
    assert MODULES / "i18n/chinese.js" in set(imports(MODULES / "i18n/language.js"))
    assert MODULES / "settings/appearance.js" in set(imports(MODULES / "main.js"))
    assert MODULES / "markdown/highlight_worker.js" in set(imports(MODULES / "markdown/highlighter.js"))
    assert imported_folders("sidebar")["chat"] == "conversation_panel.js"  # a type alone


def test_every_folder_has_a_layer_and_imports_only_from_folders_below_it() -> None:
    assert sorted(ALLOWED) == FOLDERS
    layers = list(ALLOWED)
    for folder, allowed in ALLOWED.items():
        assert {other for other in allowed if layers.index(other) >= layers.index(folder)} == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_of_the_page_imports_exactly_the_folders_that_are_stated(folder: str) -> None:
    found = imported_folders(folder)
    assert {name: module for name, module in found.items() if name not in ALLOWED[folder]} == {}
    assert ALLOWED[folder] - set(found) == set(), "stated and not used"


def test_only_what_connects_the_others_is_in_no_folder_and_no_folder_holds_a_single_module() -> None:
    assert {path.name for path in MODULES.glob("*.js")} == {"main.js", "interaction.js"}
    assert [folder for folder in FOLDERS if len(list((MODULES / folder).glob("*.js"))) < 2] == []


def test_one_module_alone_looks_for_elements_by_their_id_besides_the_root() -> None:
    seekers = {
        path.name
        for path in MODULES.rglob("*.js")
        if re.search(r"getElementById|querySelector\(.#", path.read_text())
    }
    assert seekers == {"elements.js", "page_root.js"}


def test_every_folder_is_on_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert [name for name in FOLDERS if f"| `{name}/` |" not in page] == []


#: What scrolls the conversation.
_SCROLLING = re.compile(r"scrollIntoView|\bscroll(To|By)\(\{|\bscroller\.scrollTop [-+]?= ")


def test_the_reading_position_alone_scrolls_the_conversation() -> None:
    # the others ask it by ui/in_view.js: a page that does not hear of its scrolling follows the end of an answer
    assert [path.name for path in sorted(MODULES.rglob("*.js")) if _SCROLLING.search(path.read_text())] == [
        "followed_end.js",
        "reading_position.js",
    ]
