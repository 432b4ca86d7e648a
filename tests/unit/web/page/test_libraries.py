"""The page's libraries: the list is what the page loads, and a warning names those that are missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sluice.service import Settings
from sluice.web import create_app
from sluice.web.extension_state import ExtensionState
from sluice.web.page.assets import Assets
from sluice.web.page.libraries import ICONS, LIBRARIES, describe_missing_libraries
from tools.common.gunicorn_server import REPOSITORY


def assets_with(folder: Path, *names: str) -> Assets:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return Assets(folder)


def test_the_list_names_every_library_that_the_page_loads() -> None:
    module = (REPOSITORY / "web/static/js/browser/libraries.js").read_text()
    loaded = re.findall(r'load(?:Styles)?\("([^"]+)"\)', module)
    assert {f"vendor/{name.removeprefix('vendor/')}" for name in loaded} == set(LIBRARIES)


def test_a_page_with_all_its_libraries_has_no_warning(tmp_path: Path) -> None:
    assert describe_missing_libraries(assets_with(tmp_path, *LIBRARIES, ICONS)) == []


@pytest.mark.parametrize(
    ("missing", "consequence"),
    [
        (LIBRARIES, "shows answers as plain text"),
        (("vendor/markdown-it.js",), "shows answers as plain text"),
        (("vendor/dompurify.js",), "shows answers as plain text"),
        (("vendor/katex/katex.js", "vendor/highlight.js"), "lacks some libraries"),
        ((ICONS,), "lacks some libraries"),
    ],
    ids=["all", "markdown-it", "dompurify", "katex and highlight", "icons"],
)
def test_one_warning_says_what_the_page_lacks_and_what_adds_it(
    tmp_path: Path, missing: tuple[str, ...], consequence: str
) -> None:
    present = {"js/main.js", *LIBRARIES, ICONS} - set(missing)
    (warning,) = describe_missing_libraries(assets_with(tmp_path, *present))
    assert warning.startswith(f"the page {consequence}: ")
    assert all(name in warning for name in missing)
    assert f"not found in {tmp_path}" in warning
    assert "`make vendor`" in warning
    assert "`make wheel`" in warning


def test_warnings_are_logged_once_and_not_when_the_application_is_made(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings())
    ExtensionState.of(app).warnings[:] = ["something is missing"]
    assert caplog.records == []
    for _ in range(2):
        assert app.test_client().get("/").status_code == 200
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("sluice.web", "something is missing")
    ]
