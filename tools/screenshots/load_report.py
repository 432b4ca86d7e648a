"""Take docs/screenshots/load-report.png again: `python -m tools.screenshots.load_report`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tools.common.chromium import chromium
from tools.common.gunicorn_server import REPOSITORY
from tools.loadtest.__main__ import main

SCREENSHOT = REPOSITORY / "docs" / "screenshots" / "load-report.png"
LINE = "poisson --rate 12 --duration 20 --model-tokens 80 --goodput ttft:300 itl:50 --no-live"
WIDTH = 1100


def take(report: Path) -> None:
    """Take a screenshot of a report, from its top to the end of its charts."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page.goto(report.as_uri())
        charts = page.locator("svg").last.bounding_box()
        assert charts is not None
        height = charts["y"] + charts["height"] + 19
        page.screenshot(path=SCREENSHOT, full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        html = Path(directory) / "report.html"
        main([*LINE.split(), "--html", str(html)])
        take(html)
