"""Selectors of the style sheets: classes that an answer may bring along, and what makes each change costly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parents[4] / "web/static"
#: What an answer is made of, and the transcript around it.
OF_ANSWERS: Final = {"prose.css", "code_block.css", "transcript.css"}


def test_no_style_of_the_page_around_answers_has_a_class_that_answers_use() -> None:
    """Footnotes of answers were hidden on phones, like the line below the message box, which had the same class."""
    source = (STATIC / "js/markdown/sanitiser.js").read_text()
    found = re.search(r"const CLASS =\s*/\^\(\?:(.*)\)\$/;", source)
    assert found is not None
    allowed = re.compile(found[1])
    assert allowed.fullmatch("footnote")
    used = {
        (sheet.name, name)
        for sheet in (STATIC / "css").glob("*.css")
        if sheet.name not in OF_ANSWERS
        for name in re.findall(r"\.([a-z][\w-]*)", re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL))
        if allowed.fullmatch(name)
    }
    assert used == set()


def test_no_style_depends_on_what_the_whole_page_contains() -> None:
    """With `:has()` on the page's element, each key had Chromium check the styles of the whole conversation."""
    found = {
        (sheet.name, selector)
        for sheet in (STATIC / "css").glob("*.css")
        for selector in re.findall(
            r"^\s*(?:&|#sluice|html|:root|\.column|\.log)[^\s,{]*:has\(.*", sheet.read_text(), re.MULTILINE
        )
    }
    assert found == set()
