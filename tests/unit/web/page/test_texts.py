"""The texts of the page in their languages."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from sluice.service.tools import call_runner

ROOT = Path(__file__).parents[4] / "web"


def test_the_page_addresses_its_reader_by_one_word() -> None:
    files = [*(ROOT / "static" / "js" / "i18n").glob("*.js"), *(ROOT / "templates").rglob("*.html")]
    assert [path.name for path in files if "您" in path.read_text("utf-8")] == []


def test_english_texts_have_one_form_of_the_apostrophe() -> None:
    texts = ROOT / "static" / "js" / "i18n"
    assert [path.name for path in texts.glob("*.js") if "\u2019" in path.read_text("utf-8").split("CHINESE")[0]] == []


def test_the_page_has_a_sentence_for_each_code_of_a_failed_call() -> None:
    source = Path(call_runner.__file__).read_text("utf-8")
    codes = {
        ast.literal_eval(node.args[2])
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_Ended" and len(node.args) == 3
    }
    wire = (ROOT.parent / "docs" / "reference" / "wire.md").read_text("utf-8")
    _, _, documented = wire.partition("so that a client can say it to a person:")
    assert set(re.findall(r"`(\w+)`", documented.partition(". Take")[0])) == codes
    row = (ROOT / "static" / "js" / "transcript" / "tool_row.js").read_text("utf-8")
    # `failed` has the sentence of all codes that are not known
    assert {*re.findall(r'^  \["(\w+)", "[\w-]+"\],$', row, re.MULTILINE), "failed"} == codes
