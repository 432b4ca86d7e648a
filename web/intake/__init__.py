"""Requests on their way into a worker: gathered without a thread, bounded in size and time."""
