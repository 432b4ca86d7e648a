"""The texts of the page in their languages."""

from __future__ import annotations

import re
from pathlib import Path

from sluice.service.tools import consent

ROOT = Path(__file__).parents[4] / "web"


def test_the_page_addresses_its_reader_by_one_word() -> None:
    files = [*(ROOT / "static" / "js" / "i18n").glob("*.js"), *(ROOT / "templates").rglob("*.html")]
    assert [path.name for path in files if "您" in path.read_text("utf-8")] == []


def test_english_texts_have_one_form_of_the_apostrophe() -> None:
    texts = ROOT / "static" / "js" / "i18n"
    assert [path.name for path in texts.glob("*.js") if "\u2019" in path.read_text("utf-8").split("CHINESE")[0]] == []


def test_the_page_recognises_the_results_of_calls_that_were_not_allowed_by_the_servers_texts() -> None:
    row = (ROOT / "static" / "js" / "transcript" / "tool_row.js").read_text("utf-8")
    _, _, after = row.partition("const REFUSALS = new Map([")
    known = dict(re.findall(r'\["(.+)", "(\w+)"\],', after.partition("]);")[0]))
    assert known == {consent.DENIED: "denied", consent.UNDECIDED: "undecided"}
