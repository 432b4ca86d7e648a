"""Requests to a provider's server, and the bytes of its reply."""
