"""The page's texts in Chinese."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[4] / "web"


def test_the_page_addresses_its_reader_by_one_word() -> None:
    files = [*(ROOT / "static" / "js" / "i18n").glob("*.js"), *(ROOT / "templates").rglob("*.html")]
    assert [path.name for path in files if "您" in path.read_text("utf-8")] == []
