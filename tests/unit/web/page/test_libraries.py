"""The page's libraries: the list is what the page loads, and the log says which are missing."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from sluice.web.page.assets import Assets
from sluice.web.page.libraries import LIBRARIES, warn_of_missing_libraries
from tools.common.gunicorn_server import REPOSITORY


def assets_with(folder: Path, *names: str) -> Assets:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return Assets(folder)


def test_the_list_names_every_library_that_the_page_loads() -> None:
    module = (REPOSITORY / "web/static/js/browser/libraries.js").read_text()
    loaded = re.findall(r'load(?:Styles)?\("([^"]+)"\)', module)
    assert {f"vendor/{name}" for name in loaded} == set(LIBRARIES)


def test_a_page_with_all_its_libraries_logs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_missing_libraries(assets_with(tmp_path, *LIBRARIES))
    assert caplog.records == []


@pytest.mark.parametrize(
    ("missing", "consequence"),
    [
        (LIBRARIES, "shows answers as plain text"),
        (("vendor/marked.js",), "shows answers as plain text"),
        (("vendor/dompurify.js",), "shows answers as plain text"),
        (("vendor/katex/katex.js", "vendor/highlight.js"), "lacks some libraries"),
    ],
    ids=["all", "marked", "dompurify", "katex and highlight"],
)
def test_one_warning_says_what_the_page_lacks_and_what_adds_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, missing: tuple[str, ...], consequence: str
) -> None:
    warn_of_missing_libraries(assets_with(tmp_path, "js/main.js", *(set(LIBRARIES) - set(missing))))
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("sluice.page", logging.WARNING)
    assert record.getMessage().startswith(f"the page {consequence}: ")
    assert all(name in record.getMessage() for name in missing)
    assert f"not found in {tmp_path}" in record.getMessage()
    assert "`make vendor`" in record.getMessage()
    assert "`make wheel`" in record.getMessage()
