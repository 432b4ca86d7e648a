"""Reference pages that are made of the code which defines what they describe: `python -m tools.reference`."""
