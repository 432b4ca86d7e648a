"""Load tests of a running Sluice: `python -m tests.load --help`, and docs/load-testing.md."""
