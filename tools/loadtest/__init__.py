"""Load tests of a running Sluice: `python -m tools.loadtest --help`, and docs/how-to/load-test.md."""
