"""Clients of other makes, each a process of its own, that speak to a real server: see docs/reference/clients.md."""
