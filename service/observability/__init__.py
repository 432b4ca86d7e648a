"""Metrics, logs, and checks of what a process has run out of. A failure of these fails no request."""
