"""The table of faults as tests: each test names the rows of docs/reliability.md that it shows."""
