"""Load tests of a running Sluice: `python -m tools.loadtest --help`, and docs/load-testing.md."""
