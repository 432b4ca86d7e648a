"""axe-core, which finds what keeps people out of a page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from playwright.sync_api import Page

SOURCE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"

RUN = """async ([only, without]) => {
    const runOnly = only.length > 0 ? { type: "rule", values: only } : undefined;
    const rules = Object.fromEntries(without.map((rule) => [rule, { enabled: false }]));
    const { violations } = await axe.run(document, { runOnly, rules, resultTypes: ["violations"] });
    return violations.flatMap(({ id, help, nodes }) =>
        nodes.map(({ html, failureSummary }) => `${id}: ${help}\\n  ${html}\\n  ${failureSummary}`));
}"""


@cache
def source() -> str:
    """Return axe-core's code, as package.json pins it."""
    return SOURCE.read_text(encoding="utf-8")


def violations(page: Page, *only: str, without: Sequence[str] = ()) -> list[str]:
    """Return what axe-core finds in the page as it is now.

    Args:
        page: The page.
        only: The rules to go by; where none is named, all that it has.
        without: Rules to leave out of all.

    The code comes in through the debugger, which the page's Content-Security-Policy does not bind.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(source())
    found: list[str] = page.evaluate(RUN, [list(only), list(without)])
    return found
