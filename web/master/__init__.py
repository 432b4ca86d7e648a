"""gunicorn's master: its configuration, how it starts workers and reloads, and what they inherit."""
