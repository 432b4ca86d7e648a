"""An application that prints how each of its answers has ended."""

from __future__ import annotations

from flask import Flask

from sluice import Sluice
from sluice.service import RunEnd

app = Flask(__name__)
sluice = Sluice(app, url_prefix="/", operations=True)


@sluice.on_end
def say(end: RunEnd) -> None:
    """Print the outcome, and the text that has come."""
    print(f"on_end: {end.outcome} after {end.text!r}", flush=True)
