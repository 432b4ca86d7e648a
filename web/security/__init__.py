"""Checks of where a request comes from, its id and trace, and the security headers of every reply."""
