"""The pictures of docs/screenshots: `python -m tools.screenshots`."""
