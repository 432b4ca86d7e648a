"""Receives requests in a worker without a thread, within limits of size and time."""
