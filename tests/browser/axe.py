"""axe-core, which finds accessibility violations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from playwright.sync_api import Page

SOURCE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"

# axe tests no colour of a text over an image, and the shades of what scrolls sideways are images.
RUN = """async ([only, without]) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(".prose * { background-image: none !important; }");
    document.adoptedStyleSheets.push(sheet);
    const runOnly = only.length > 0 ? { type: "rule", values: only } : undefined;
    const rules = Object.fromEntries(without.map((rule) => [rule, { enabled: false }]));
    const { violations } = await axe.run(document, { runOnly, rules, resultTypes: ["violations"] });
    document.adoptedStyleSheets.pop();
    return violations.flatMap(({ id, help, nodes }) =>
        nodes.map(({ html, failureSummary }) => `${id}: ${help}\\n  ${html}\\n  ${failureSummary}`));
}"""


@cache
def source() -> str:
    """Return the source of axe-core in the version that package.json pins."""
    return SOURCE.read_text(encoding="utf-8")


def violations(page: Page, *only: str, without: Sequence[str] = ()) -> list[str]:
    """Return the violations that axe-core finds in the current page.

    Args:
        page: The page.
        only: The rules to check; none means all.
        without: The rules to skip.

    The code is evaluated through the debugger, to which the Content-Security-Policy does not apply.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(source())
    found: list[str] = page.evaluate(RUN, [list(only), list(without)])
    return found
