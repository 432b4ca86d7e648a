"""Classes that an answer may bring along, as the sanitiser lets them pass, and the style sheets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parents[4] / "web/static"
#: What an answer is made of, and the transcript around it.
OF_ANSWERS: Final = {"prose.css", "transcript.css"}


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
