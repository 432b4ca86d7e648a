"""Pieces of SVG that both drawings share: their colours in light and dark, and their arrow heads."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

_STYLE: Final = """
  :root { --ground: #fbfaf7; --edge: #c3cbc8; --fill: #ffffff; --band: #eef1ef; --ink: #22302f; --soft: #55655f;
          --line: #7d8c88; --main: #0b6a63; --warn: #a8431f; }
  @media (prefers-color-scheme: dark) {
    :root { --ground: #14191a; --edge: #46524f; --fill: #1f2627; --band: #1a2021; --ink: #e4e9e6; --soft: #a3b1ac;
            --line: #71807b; --main: #4fc3b5; --warn: #f0906a; }
  }
  text { font: 12px -apple-system, "Segoe UI", "DejaVu Sans", Helvetica, Arial, sans-serif; fill: var(--ink); }
  .title { font-size: 14px; font-weight: 600; }
  .soft { font-size: 11px; fill: var(--soft); }
  .code { font: 11px ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace; }
  .halo { paint-order: stroke; stroke: var(--ground); stroke-width: 5px; stroke-linejoin: round; }
  .middle { text-anchor: middle; }
  .ground { fill: var(--ground); stroke: var(--edge); }
  .band { fill: var(--band); }
  .box { fill: var(--fill); stroke: var(--edge); }
  .line { fill: none; stroke: var(--line); stroke-width: 1.3; }
  .main { fill: none; stroke: var(--main); stroke-width: 1.8; }
  .warn { fill: none; stroke: var(--warn); stroke-width: 1.5; stroke-dasharray: 5 4; }
  .life { fill: none; stroke: var(--edge); stroke-width: 1; stroke-dasharray: 2 4; }
  text.main { fill: var(--main); }
  text.warn { fill: var(--warn); stroke-dasharray: none; }
  text.warn:not(.halo) { stroke: none; }
  text.halo { stroke: var(--ground); stroke-width: 5px; }
"""
_HEADS: Final = "".join(
    f'<marker id="{name}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" '
    f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.5 8 4 0 7.5z" style="fill: var(--{name})"/></marker>'
    for name in ("line", "main", "warn")
)


def document(width: float, height: float, title: str, description: str, parts: Sequence[str]) -> str:
    """Return a whole SVG file.

    Args:
        width: In pixels.
        height: In pixels.
        title: What it shows.
        description: The same for those who cannot see it.
        parts: Its elements, the lowest first.
    """
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
            f'height="{height:g}" role="img" aria-labelledby="title desc">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(description)}</desc>',
            f"<style>{_STYLE}</style>",
            f"<defs>{_HEADS}</defs>",
            f'<rect class="ground" x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="10"/>',
            *parts,
            "</svg>\n",
        ]
    )


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """Return a line of text; `kind` are classes of the style above."""
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{attribute}>{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    """Return a rectangle with round corners."""
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="7"/>'


def arrow(path: str, kind: str = "line", *, title: str = "") -> str:
    """Return a path with an arrow head at its end: `line`, `main` or `warn`."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'<path class="{kind}" d="{path}" marker-end="url(#{kind})">{inside}</path>'
