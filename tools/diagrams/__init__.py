"""Drawings of the architecture page, made of the code: `python -m tools.diagrams`."""
