"""Links between the pages of the documentation: each leads to a file that exists, and to a heading of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).parents[3]
FOLDERS = ("docs", "service", "web", "sluice", "tools", "tests", "deploy")
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))]
    if "vendor" not in page.parts
)
LINK = re.compile(r"(?<!\\)\]\(\s*<?([^)\s>]+)")
# A file of the repository in the text of a page, and a page in a comment of the source (gen-ai: OpenTelemetry's).
NAMED = re.compile(r"`((?:tests|service|web|tools|docs|deploy|sluice)/[\w./-]+\.[a-z]+)`")
DOCUMENT = re.compile(r"(?<![\w/.])docs/(?!gen-ai/)[\w/-]+\.(?:md|svg|png|json)\b")
SOURCES = {".py", ".js", ".mjs", ".css", ".html", ".txt", ".conf", ".service"}
FENCE = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.MULTILINE | re.DOTALL)


def links(text: str) -> Iterator[str]:
    """Yield the targets of links and images, those within code left out."""
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))
    for target in LINK.findall(prose):
        if not re.match(r"[a-z][a-z0-9+.-]*:", target):
            yield target


def anchors(text: str) -> set[str]:
    """Return the fragments under which GitHub shows the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", FENCE.sub("", text), re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


def broken(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere."""
    found = []
    for target in links(page.read_text(encoding="utf-8")):
        path, _, fragment = target.partition("#")
        file = (page.parent / unquote(path)) if path else page
        is_there = file.exists() and file.resolve().is_relative_to(ROOT)
        if is_there and fragment:
            is_there = file.suffix == ".md" and unquote(fragment) in anchors(file.read_text(encoding="utf-8"))
        if not is_there:
            found.append(target)
    return found


def test_every_relative_link_leads_to_a_file_and_a_heading_that_exist() -> None:
    assert {str(page.relative_to(ROOT)): found for page in PAGES if (found := broken(page))} == {}


def test_every_page_of_the_documentation_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        targets = (target.partition("#")[0] for target in links(page.read_text(encoding="utf-8")))
        waiting += [(page.parent / unquote(target)).resolve() for target in targets if target]
    pages = [page for page in PAGES if page.is_relative_to(ROOT / "docs")]
    assert [str(page.relative_to(ROOT)) for page in pages if page not in reached] == []


def test_every_file_that_a_page_names_exists() -> None:
    missing = {
        str(page.relative_to(ROOT)): found
        for page in PAGES
        if page.name != "CHANGELOG.md"  # which names what was
        if (found := [name for name in NAMED.findall(page.read_text(encoding="utf-8")) if not (ROOT / name).exists()])
    }
    assert missing == {}


def test_every_page_that_the_source_names_exists() -> None:
    files = [ROOT / name for name in ("gunicorn.conf.py", "wsgi.py", "Makefile", "requirements.txt", ".env.example")]
    for folder in FOLDERS:
        files += [
            file for file in (ROOT / folder).rglob("*") if file.suffix in SOURCES and "vendor" not in file.parts
        ]
    missing = {
        str(file.relative_to(ROOT)): found
        for file in files
        if (
            found := [
                name for name in DOCUMENT.findall(file.read_text(encoding="utf-8")) if not (ROOT / name).exists()
            ]
        )
    }
    assert missing == {}
    assert len(files) > 300


def test_the_check_sees_a_missing_file_and_a_missing_heading(tmp_path: Path) -> None:
    assert list(links("[a](b.md) ![c](d.svg 'e') `[f](g)` [h](https://i) [j](#k)\n```\n[l](m)\n```\n")) == [
        "b.md",
        "d.svg",
        "#k",
    ]
    assert anchors("# A `b`, c\n## A `b`, c\n```\n# d\n```\n") == {"a-b-c", "a-b-c-1"}
    page = ROOT / "docs" / "architecture.md"
    assert len(PAGES) > 20
    assert page in PAGES


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = [page.name[:4] for page in (ROOT / "docs" / "decisions").glob("[0-9]*.md")]
    assert sorted(numbers) == sorted(set(numbers))
