"""One answer from its first event to its last, and how many may run at once."""
