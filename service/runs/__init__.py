"""One answer from beginning to end: its events, its cost, and how many may run."""
