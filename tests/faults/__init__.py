"""The table of faults as tests: each test names the rows of docs/explanation/reliability.md that it shows."""
