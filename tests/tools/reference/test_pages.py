"""The generated reference: up to date, complete, and refused with a sentence where something is not described."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from sluice.service.settings.fields import setting_fields
from tools.reference import errors_page, modules_page, pages, settings_page
from tools.reference.markdown import replace_block, table

# Its sentences are those of the modules; a reworded one does not make the page stale.
MODULES = "docs/reference/modules.md"


def test_the_page_of_modules_lists_every_module() -> None:
    held = (pages.ROOT / MODULES).read_text(encoding="utf-8")
    listed = modules_page.names(held)
    assert listed == modules_page.names(pages.current(MODULES)), f"{MODULES} is stale: run `make reference`"
    assert len(listed) > 150


@pytest.mark.parametrize("name", [name for name in (*pages.BLOCKS, *pages.FILES) if name != MODULES])
def test_a_reference_page_matches_the_code(name: str) -> None:
    held = (pages.ROOT / name).read_text(encoding="utf-8")
    assert held == pages.current(name), f"{name} is stale: run `make reference`"


def test_a_page_of_other_code_is_stale_and_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n\n<!-- b: written by `make reference` -->\nold\n<!-- /b -->\nprose\n")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.setattr(pages, "BLOCKS", {"page.md": {"b": lambda: "new"}})
    monkeypatch.setattr(pages, "FILES", {})
    assert pages.stale() == ["page.md"]
    assert pages.write() == ["page.md"]
    assert page.read_text() == "# A\n\n<!-- b: written by `make reference` -->\n\nnew\n\n<!-- /b -->\nprose\n"
    assert pages.write() == []


def test_a_page_without_its_marks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.md").write_text("# A\n")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.setattr(pages, "BLOCKS", {"page.md": {"b": lambda: "new"}})
    with pytest.raises(ValueError, match=r"^page\.md: the page should have <!-- b: written by `make reference` -->"):
        pages.current("page.md")


def test_a_setting_without_a_chinese_meaning_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meanings = {setting.variable: "x" for setting in settings_page.settings()}
    del meanings["PORT"]
    file = tmp_path / "settings.zh-CN.json"
    file.write_text(json.dumps(meanings))
    monkeypatch.setattr(settings_page, "_CHINESE", file)
    with pytest.raises(ValueError, match=r"settings\.zh-CN\.json should have a meaning .* differs in PORT$"):
        settings_page.chinese()


def test_settings_of_nested_records_are_found() -> None:
    @dataclasses.dataclass
    class Inner:
        port: int = dataclasses.field(default=1, metadata={"variable": "PORT"})

    @dataclasses.dataclass
    class Outer:
        server: Inner = dataclasses.field(default_factory=Inner)

    assert [(field.name, value) for field, value in setting_fields(Outer())] == [("port", 1)]


def test_an_error_without_advice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors_page, "_TO_DO", {})
    with pytest.raises(ValueError, match="should say what to do about invalid_request"):
        errors_page.details()


def test_cells_of_a_table_hold_no_bar_and_no_line_end() -> None:
    assert table(["a"], [["b|c\nd"]]) == "| a |\n| --- |\n| b\\|c d |"
    assert replace_block("<!-- n: written by `make reference` --><!-- /n -->", "n", "t").count("\nt\n") == 1
