"""The commands `flask sluice ...` and `python -m sluice ...`."""
